export default function ({ data, parentElement }) {
  const links = data.map(({ text, href, here }) => {
    const link = make("a", { href, textContent: text });
    if (here) link.setAttribute("aria-current", "page");
    follow(link);
    return link;
  });
  parentElement.querySelector("nav").replaceChildren(...links);
}

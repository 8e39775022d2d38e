// A photograph, and a heat map over it without its colours, if there is one; or why there is neither.
function picture({ src, map, missing, alt = "" }) {
  if (!src) return make("span", { className: "photograph missing", textContent: missing });
  const layers = [make("img", { src, alt, className: map ? "under" : "", loading: "lazy" })];
  if (map) layers.push(make("img", { src: map, alt: "", className: "over" }));
  return make("span", { className: "photograph" }, ...layers);
}

function mapped({ caption, ...shown }) {
  return make("figure", {}, picture(shown), make("figcaption", { textContent: caption }));
}

function model({ text, maps }) {
  const element = make("div", { className: "model" }, make("p", { textContent: text }), ...maps.map(mapped));
  element.style.setProperty("--maps", maps.length || 1);
  return element;
}

function card({ href, title, lines, models, ...shown }) {
  const head = [picture(shown), make("span", { textContent: title })];
  const link = href ? make("a", { href }, ...head) : make("div", {}, ...head);
  if (href) follow(link);
  const told = lines.map((line) => make("p", { className: "small", textContent: line }));
  return make("article", { className: "card" }, link, ...told, ...models.map(model));
}

export default function ({ data, parentElement }) {
  const gallery = parentElement.querySelector(".gallery");
  gallery.style.setProperty("--card-width", `${data.width_px}px`);
  gallery.replaceChildren(...data.cards.map(card));
}

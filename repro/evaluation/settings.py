"""One setting applied: the crop that it makes of a photograph, the logits that it makes of the crops."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from repro.evaluation.preprocess import crop, normalise
from repro.evaluation.variations import PILLOW, TENSOR, TENSOR_ALIASED, Setting, View

if TYPE_CHECKING:
    from collections.abc import Mapping

_CAUSES = (AssertionError, ImportError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""What torch, timm and torchvision raise of an input or a dtype that they do not take."""


def crop_view(image: Image.Image, view: View) -> torch.Tensor:
    """The `(3, size_px, size_px)` uint8 crop of an RGB photograph, resized by the view's backend."""
    if view.backend == PILLOW:
        return crop(image, view)
    width_px, height_px = view.resized(*image.size)
    if view.backend in (TENSOR, TENSOR_ALIASED):
        resized = resize(
            pil_to_tensor(image),
            [height_px, width_px],
            InterpolationMode(view.interpolation),
            antialias=view.backend == TENSOR,
        )
    else:
        import cv2

        method = getattr(cv2, view.backend)
        pixels = cv2.resize(np.asarray(image), (width_px, height_px), interpolation=method)
        resized = torch.from_numpy(pixels).permute(2, 0, 1)
    cropped: torch.Tensor = center_crop(resized, [view.size_px, view.size_px])
    return cropped.contiguous()


class SettingPredictor:
    """Predicts under any setting; what a memory format needs of the network is copied once."""

    def __init__(self, network: torch.nn.Module, device: str) -> None:
        self.device = device
        self._networks = {"contiguous": network}

    def predict(self, pixels: torch.Tensor, setting: Setting) -> torch.Tensor:
        """Logits `(b, 1000)` in fp32, on the CPU, of uint8 crops `(b, 3, h, w)` on the device."""
        if setting.channels == "BGR":
            pixels = pixels.flip(1)
        images = normalise(pixels, setting.protocol)
        if setting.memory_format == "channels_last":
            images = images.contiguous(memory_format=torch.channels_last)
        lowered = setting.dtype != "float32"
        with (
            torch.inference_mode(),
            torch.autocast(self.device, getattr(torch, setting.dtype), enabled=lowered),
        ):
            logits: torch.Tensor = self._network(setting.memory_format)(images)
        return logits.float().cpu()

    def _network(self, memory_format: str) -> torch.nn.Module:
        if memory_format not in self._networks:
            network = copy.deepcopy(self._networks["contiguous"])
            self._networks[memory_format] = network.to(memory_format=getattr(torch, memory_format))
        return self._networks[memory_format]

    def why_not(self, settings: Mapping[str, Setting], own: Setting) -> dict[str, str]:
        """Which of `settings` cannot be tried here, and why, by name; found out on one grey image."""
        photograph = Image.new("RGB", (400, 300), (124, 116, 104))
        found = {name: self._try(photograph, setting, own) for name, setting in settings.items()}
        return {name: reason for name, reason in found.items() if reason}

    def _try(self, photograph: Image.Image, setting: Setting, own: Setting) -> str:
        if (setting.dtype, self.device) == ("float16", "cpu"):
            # Measured with EfficientNet-Lite0: six times as slow as fp32, for what nobody does on a CPU.
            return "most CPUs only emulate it; an accelerator tries it"
        reason, pixels = _reason(lambda: crop_view(photograph, setting.view))
        if reason:
            return reason
        # Mean, std and the order of the channels change no shape and no dtype.
        if (setting.protocol.size_px, setting.dtype, setting.memory_format) == (
            own.protocol.size_px,
            own.dtype,
            own.memory_format,
        ):
            return ""
        reason, _ = _reason(lambda: self.predict(pixels[None].to(self.device), setting))
        if reason and setting.protocol.size_px != own.protocol.size_px:
            return f"the network takes no {setting.protocol.size_px} px ({reason})"
        return reason


def _reason(attempt: Callable[[], torch.Tensor]) -> tuple[str, Any]:
    """Why `attempt` fails, in one line; empty, and its result, where it does not."""
    try:
        return "", attempt()
    except _CAUSES as error:
        return str(error).strip().partition("\n")[0] or type(error).__name__, None

from __future__ import annotations

import pytest

from pipeline.errors import InputError
from tests import forked
from trainer.training import devices


def test_two_devices_take_the_steps_of_one() -> None:
    """With augmentation, accumulation, clipping, decay, L2, the moving average, and loss scaling."""
    done = forked.run("tests.trainer.training.two_devices")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", [None, "", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"index": "x"}}'])
def test_multiworker_without_a_cluster_says_what_to_set(content: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if content is not None:
        monkeypatch.setenv("TF_CONFIG", content)
    with pytest.raises(InputError, match=r'TF_CONFIG .* \{"cluster"'):
        devices.find_place("multiworker", 8)


def test_precision_is_float32_on_a_cpu_and_what_is_asked_for_otherwise() -> None:
    assert devices.resolve_precision("auto") == "float32"
    assert devices.resolve_precision("mixed_bfloat16") == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [([(7, 5)], "mixed_float16"), ([(6, 1)], "float32"), ([(8, 0), (6, 1)], "float32")],
)
def test_auto_precision_asks_every_gpu(
    capabilities: list[tuple[int, int]], policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _: range(len(capabilities)))
    monkeypatch.setattr(
        "tensorflow.config.experimental.get_device_details",
        lambda gpu: {"compute_capability": capabilities[gpu]},
    )
    assert devices.resolve_precision("auto") == policy

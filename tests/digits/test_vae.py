"""The ELBO of the discrete VAE equals torch.distributions; trainings resume bit by bit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, kl_divergence

from bgmusic.digits.vae import DiscreteVae, VaeConfig, methods
from bgmusic.digits.vae_training import compare
from bgmusic.errors import UserError
from bgmusic.neurons import set_slope

SMALL = {"latents": 5, "batch": 16}


def digits(count: int = 12) -> Tensor:
    return (torch.rand(count, 784, generator=torch.Generator().manual_seed(0)) < 0.2).float()


def model(network: str = "linear", estimator: str = "disarm", latents: int = 5) -> DiscreteVae:
    torch.manual_seed(0)
    config = VaeConfig(network=network, estimator=estimator, latents=latents)  # type: ignore[arg-type]
    made = DiscreteVae(config, torch.full((784,), 0.2))
    with torch.no_grad():
        made.prior.copy_(torch.linspace(-1, 1, latents))
    return made


@pytest.mark.slow
@pytest.mark.parametrize("network", ["linear", "nonlinear"])
def test_the_loss_is_the_negative_elbo(network: str) -> None:
    vae = model(network, "exact" if network == "linear" else "disarm")
    x = digits()
    logits = vae.encoder(x - vae.mean)
    q, prior = Bernoulli(logits=logits), Bernoulli(logits=vae.prior.expand_as(logits))
    divergence = kl_divergence(q, prior).sum(1)
    torch.testing.assert_close(vae.divergence(logits), divergence)
    if network == "linear":
        # E over all 32 codes of -log p(x | b), by torch.distributions.
        expected = divergence.clone()
        for code in torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5):
            likelihood = Bernoulli(logits=vae.decoder(2 * code - 1)).log_prob(x).sum(1)
            expected = expected - q.log_prob(code.expand(len(x), -1)).sum(1).exp() * likelihood
        torch.testing.assert_close(vae.loss(x), expected)
        single = [vae.elbo(x, seed) for seed in range(300)]
        error = np.std(single) / len(single) ** 0.5
        assert abs(np.mean(single) + float(expected.detach().mean())) < 4 * error


def test_the_initial_decoder_gives_the_mean() -> None:
    vae = model()
    with torch.no_grad():
        vae.decoder[0].weight.zero_()
    torch.testing.assert_close(torch.sigmoid(vae.decoder(torch.ones(1, 5)))[0], vae.mean)


def encoder_gain(vae: DiscreteVae, loss: Callable[[Tensor], Tensor]) -> float:
    """Return by how many nats the ELBO rises when only the encoder, which needs the estimator, is trained."""
    x = digits(64)
    with torch.no_grad():
        vae.decoder[0].weight.mul_(10)  # so that the bits matter
    before = np.mean([vae.elbo(x, seed) for seed in range(20)])
    optimizer = torch.optim.Adam(vae.encoder.parameters(), 0.01)
    for _ in range(30):
        optimizer.zero_grad()
        loss(x).mean().backward()
        optimizer.step()
    return float(np.mean([vae.elbo(x, seed) for seed in range(20)]) - before)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", methods())
def test_every_estimator_learns(estimator: str) -> None:
    vae, without = model(estimator=estimator), model()
    generator = torch.Generator().manual_seed(1)
    gain = encoder_gain(vae, lambda x: vae.loss(x, generator))
    # Without an estimator's gradient the encoder minimizes only the divergence, and loses nats. The gain of REINFORCE
    # varies most: 9 to 32 nats over eight seeds.
    assert gain > encoder_gain(without, lambda x: without.divergence(without.encoder(x - without.mean))) + 5
    assert set_slope(vae, 1.5) == 1


@pytest.mark.slow
def test_a_comparison_resumes_bit_by_bit(tmp_path: Path) -> None:
    names = ["reinforce-adjusted", "concrete"]
    reported: list[str] = []

    def train(folder: str, steps: int, **more: float) -> bool:
        return compare(
            tmp_path / folder,
            "linear",
            names,
            steps,
            settings=SMALL,
            report=lambda name, _: reported.append(name),
            **more,  # type: ignore[arg-type]
        )

    assert train("whole", 6)
    assert reported == ["linear-reinforce-adjusted", "linear-concrete"] * 6
    assert not train("parts", 6, minutes=1e-9)
    assert train("parts", 2)
    assert train("parts", 6)
    reported.clear()
    assert train("parts", 6)
    assert not reported
    for name in names:
        whole, parts = (torch.load(tmp_path / f / f"linear-{name}" / "state.pt") for f in ("whole", "parts"))
        for key, value in whole["model"].items():
            assert torch.equal(value, parts["model"][key])
        lines = (tmp_path / "parts" / f"linear-{name}" / "metrics.jsonl").read_text().splitlines()
        assert json.loads(lines[-1])["step"] == 6
    results = json.loads((tmp_path / "parts" / "results-linear.json").read_text())
    assert {name: values["step"] for name, values in results.items()} == dict.fromkeys(names, 6)


@pytest.mark.slow
def test_other_settings_and_corrupt_states_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown estimator 'magic'"):
        compare(tmp_path, "linear", ["magic"], 1)
    assert not list(tmp_path.iterdir())
    compare(tmp_path, "linear", ["disarm"], 1, settings=SMALL)
    with pytest.raises(UserError, match="other settings or another seed"):
        compare(tmp_path, "linear", ["disarm"], 1, seed=1, settings=SMALL)
    with pytest.raises(UserError, match="other settings"):
        compare(tmp_path, "linear", ["disarm"], 1, settings={**SMALL, "rate": 0.5})
    state = tmp_path / "linear-disarm" / "state.pt"
    torch.save({"version": 1, "model": {}}, state)
    with pytest.raises(UserError, match=r"state\.pt"):
        compare(tmp_path, "linear", ["disarm"], 2, settings=SMALL)
    state.write_bytes(b"junk")
    with pytest.raises(UserError, match="corrupt"):
        compare(tmp_path, "linear", ["disarm"], 2, settings=SMALL)


@pytest.mark.slow
def test_a_killed_comparison_is_repaired(tmp_path: Path) -> None:
    def train(*names: str) -> None:
        assert compare(tmp_path, "linear", names, 4, settings=SMALL)

    train("arm", "disarm")
    metrics, results = tmp_path / "linear-arm" / "metrics.jsonl", tmp_path / "results-linear.json"
    whole, before = [line.split(",")[0] for line in metrics.read_text().splitlines()], json.loads(results.read_text())
    # One run was killed before the results were written, another between its first log line and first checkpoint.
    results.unlink()
    (tmp_path / "linear-arm" / "state.pt").unlink()
    train("arm")
    assert [line.split(",")[0] for line in metrics.read_text().splitlines()] == whole
    assert set(json.loads(results.read_text())) == {"arm"}
    train("disarm")
    again = json.loads(results.read_text())
    assert {name: again[name]["test_elbo"] for name in again} == {name: before[name]["test_elbo"] for name in before}


def test_wrong_digits_are_rejected() -> None:
    vae, x = model(), digits()
    for function in (vae.loss, vae.elbo):
        for bad, error in ((x.to(torch.uint8), TypeError), (x.view(-1, 28, 28), ValueError), (x[0], ValueError)):
            with pytest.raises(error, match="digits must"):
                function(bad)
    with pytest.raises(ValueError, match="mean must"):
        DiscreteVae(VaeConfig(), torch.zeros(28, 28))

"""The composer: a generator that drafts a phrase and revises it, every note a binary decision.

A phrase is made of *units*: what one track plays in one beat. In the first stage nothing is known, and stochastic
neurons decide on all units. Each later stage opens some units again, fewer and fewer, and decides on them anew, seeing
all the others: what did not fit together is made to fit. One network does it all. Since it learns to fill in any units
from any others, it also accompanies: given tracks are units that are never opened.

All chance comes from the noise: each stage has a number for every unit (whether it is opened), up to two for every
track and three for every step (see :class:`Composer`), and the phrase has one for its form; they are standard normal
and turned into uniform ones.
A composition is a function of its noise alone, but a chaotic one: a decision that falls otherwise changes those that
see it, so near noise soon makes other music.

Sources: a network that fills in what is masked, and the revision by blocks with a falling share: Coconet (Huang et
al., ISMIR 2017, arXiv 1903.07227, sections 4 and 5); blocks that are redrawn together: Yao et al., arXiv 1407.1984.
The rest (binary neurons, beats as channels, weights shared over pitches, coupled thresholds) is ours.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from bgmusic.errors import UserError
from bgmusic.music.networks.composer.draft import Draft, Logits, before, exceeding
from bgmusic.music.networks.composer.form import KEPT, Form, choose, form_of
from bgmusic.music.networks.composer.masks import draw_open
from bgmusic.music.networks.composer.mixer import Mixer, Pointwise
from bgmusic.music.networks.composer.noise import Chances, Noise
from bgmusic.music.networks.composer.odds import odds_of
from bgmusic.music.networks.pianoroll_config import ComposerConfig, PianorollConfig
from bgmusic.music.networks.sizes import Plan
from bgmusic.music.rolls.shape import RollShape
from bgmusic.neurons import NEURONS, SBN
from bgmusic.neurons.coupling import coupled_thresholds
from bgmusic.training.protocols import SampleNetwork

_MOST_DISTANCES = 1 << 26  # numbers in a layer's matrices over beats, or pitches; 256 MiB
_MOST_NOISE = 1 << 24
_NEVER = -40.0  # what a pitch out of a track's range weighs among the others


class Composer(SampleNetwork):
    """From noise ``(batch, latent)`` to phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.

    ``channels`` are the tracks' cells, then (lossless encoding) their onsets, as :meth:`Roll.channels` stacks them.

    At each step up to five kinds of decisions are made, one after the other. Does the track rest (``network.rests``)?
    If it does not: does it move? If it does not, what sounds is held: notes are whole, and never fragments. If it does,
    as it must after a rest: does it play more than one note, more than two, ... (``network.chords``)? Which cells
    sound, just so many (or as many as are expected, see :func:`coupled_thresholds`)? And which of them begin, rather
    than being held from the step before? Drums always move.

    Rests come first, and then how many notes there are, since the choice of cells can't make them: of "silence or a
    chord of three" two notes are expected, and would sound; of "a melody or chords" always two again. And a track that
    plays in few phrases moves rarely, then to a note: it would do so once in all of them, and hold it. The steps of a
    track share one number for their rests and one for how many notes they have, so that it may be silent, or a melody,
    throughout. In the first stage each step rests with its own probability all the same; the next ones, which keep
    these numbers until the draft stands, lean further to what was decided before.

    Before all that (``network.form``) it is decided which of a track's bars come back: they are decided on as one, and
    a bar that is like a given one is as that is from the start. Without, bars come back nearly, and seldom wholly,
    since each of their notes was decided on by itself.
    """

    drums: Tensor
    most: Tensor
    forms: Tensor
    seen: Tensor

    def __init__(self, config: PianorollConfig, shape: RollShape) -> None:
        super().__init__()
        settings = config.network
        if not isinstance(settings, ComposerConfig):
            raise TypeError("a composer needs a ComposerConfig")
        self.plan = plan = Plan.of(shape)
        self.settings = settings
        # What takes memory beside the weights; the config may be a stranger's.
        if settings.channels * max(plan.bars * plan.beats, plan.pitches) ** 2 > _MOST_DISTANCES:
            raise UserError(
                f"{plan.bars * plan.beats} beats are too many for a composer of {settings.channels} channels"
            )
        self.unit = plan.parts * plan.ticks  # steps
        low, pitches = shape.track_set.low, range(plan.pitches)
        # Which pitches each track may play. No tensor: a network is first built on the meta device.
        self.ranges = [[t.low <= low + pitch <= t.high for pitch in pitches] for t in shape.track_set.tracks]
        self.noise = Noise(
            stages=settings.stages,
            # A track's inclinations stay with it until the draft stands: silence for a phrase is one decision.
            kept=sum(self._share(number) > settings.least for number in range(settings.stages)),
            tracks=plan.tracks,
            units=plan.bars * plan.beats,
            steps=self.unit,
            inclinations=settings.rests + (settings.chords > 0),
            form=settings.form,
        )
        self.latent = self.noise.size
        if self.latent > _MOST_NOISE:
            raise UserError(f"{self.latent:,} numbers of noise for a phrase; at most {_MOST_NOISE:,} make sense")
        self.register_buffer("drums", torch.tensor(plan.drums))
        # The most notes that each track was seen to play at once: a voice that sings one never sings two.
        self.register_buffer("most", torch.ones(plan.tracks, dtype=torch.int64))
        if settings.form:  # those of the last phrases that were seen; before any, a bar is like itself alone
            self.register_buffer("forms", torch.arange(plan.bars).repeat(KEPT, plan.tracks, 1))
            self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        cells = plan.tracks * plan.planes * self.unit
        self.mixer = Mixer(
            cells + plan.tracks,  # the last tell which tracks are open
            settings.channels,
            settings.layers,
            settings.expansion,
            plan.bars,
            plan.beats,
            plan.pitches,
        )
        self.notes = Pointwise(settings.channels, cells, scale=0.1)
        # How many notes there are, whether the track moves, and whether it rests are heard in all pitches together.
        self.counts = max(1, settings.chords - 1)
        heads = self.counts + 1 + settings.rests
        self.steps = Pointwise(2 * settings.channels, heads * plan.tracks * self.unit, scale=0.1)
        self.neuron = NEURONS[config.neuron](config.estimator)

    def logits(self, draft: Draft, opened: Tensor) -> Logits:
        """What the neurons threshold, for all units, whether they are open or not.

        Args:
            draft: what is there; open units are not looked at.
            opened: ``(batch, tracks, bars * beats)``, which units are to be decided on.

        """
        plan, batch = self.plan, len(opened)
        known = ~opened.repeat_interleave(self.unit, 2).unsqueeze(3)
        planes = [draft.cells * known] + ([draft.onsets * known] if draft.onsets is not None else [])
        beats = plan.bars * plan.beats
        shown = torch.stack(planes).view(plan.planes, batch, plan.tracks, beats, self.unit, plan.pitches)
        shown = shown.permute(0, 2, 4, 1, 3, 5).reshape(-1, batch, beats, plan.pitches)
        asked = opened.permute(1, 0, 2).unsqueeze(3).expand(-1, -1, -1, plan.pitches).to(shown.dtype)
        found = self.mixer(torch.cat([shown, asked]))
        which = self._unfold(self.notes(found))
        together = torch.cat([found.mean(3, keepdim=True), found.amax(3, keepdim=True)])
        heads = self._unfold(self.steps(together))
        counts, moves, rests = heads.squeeze(4).tensor_split([self.counts, self.counts + 1])
        # A cell's probability is its share of the step's notes: how many, and which, are learned apart.
        within = torch.tensor(self.ranges, device=found.device).unsqueeze(1)
        shares = F.log_softmax(which[0].masked_fill(~within, _NEVER), -1)
        most = self.most.view(-1, 1)
        more = None
        if self.settings.chords:
            counts = counts.movedim(0, -1)  # a track never plays more than it was seen to
            allowed = torch.arange(1, self.counts + 1, device=found.device) < most.unsqueeze(2)
            more = counts.masked_fill(~allowed, _NEVER)
            expected = torch.log1p(F.logsigmoid(more).cumsum(3).exp().sum(3))
        elif self.settings.rests:  # a track of which it is known that it does not rest sounds one note at least
            expected = torch.log1p(torch.sigmoid(counts[0]) * (most - 1))
        else:
            expected = F.logsigmoid(counts[0]) + most.log()
        return Logits(
            moves[0].masked_fill(self.drums.unsqueeze(1), float("inf")),
            rests[0] if self.settings.rests else None,
            more,
            shares,
            expected.unsqueeze(3),
            which[1] if plan.planes > 1 else None,
        )

    def _unfold(self, x: Tensor) -> Tensor:
        """``(planes * tracks * unit, batch, beats, pitches)`` to ``(planes, batch, tracks, steps, pitches)``."""
        batch, beats, pitches = x.shape[1:]
        x = x.view(-1, self.plan.tracks, self.unit, batch, beats, pitches).permute(0, 3, 1, 4, 2, 5).float()
        return x.reshape(-1, batch, self.plan.tracks, beats * self.unit, pitches)

    def see(self, phrases: Tensor) -> None:
        """Learn from phrases ``(batch, channels, bars, steps, pitches)`` how many notes each track plays at once.

        And, if it decides on that, which bars come back.
        """
        self._see(self._draft(phrases))

    def _see(self, draft: Draft) -> None:
        self.most.copy_(torch.maximum(self.most, draft.cells.sum(3).amax((0, 2)).long()))
        if self.settings.form:
            forms = form_of(self._bars(draft))[:KEPT]
            places = (self.seen + torch.arange(len(forms), device=forms.device)) % KEPT
            self.forms[places] = forms
            self.seen += len(forms)

    def imitation(self, real: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """How unlikely the network finds what it may not look at in real phrases: nats for a step of a track.

        Units are hidden at random in many ways (see :func:`draw_open`). The loss is the cross-entropy of the
        decisions on them: rests everywhere; moves where the track sounds, now and before (everywhere if rests are not
        decided on); where it moves and does not rest, how many notes it plays, and cells, summed over pitches; onsets
        where besides the cell sounds. Each phrase counts alike, however much of it was hidden (Coconet, equation 3).

        Args:
            real: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            generator: of the draws, on the CPU.

        """
        plan = self.plan
        draft = self._draft(real)
        self._see(draft)
        opened = draw_open(len(real), plan.tracks, plan.bars, plan.beats, generator, self.settings.hidden)
        opened = opened.to(real.device)
        found = self.logits(draft, opened)
        hidden = opened.repeat_interleave(self.unit, 2).float()
        moves = played = self._moves(draft)
        pitched = ~self.drums.unsqueeze(1)
        losses = _surprise(found.moves.masked_fill(~pitched, 0), moves) * pitched
        if found.rests is not None:
            sounds = draft.cells.amax(3)
            losses = losses * sounds * before(sounds) + _surprise(found.rests, 1 - sounds)
            played = moves * sounds
        notes = None
        if found.more is not None:
            notes = draft.cells.sum(3).clamp(max=self.settings.chords)
            few, number = torch.arange(1, self.counts + 1, device=notes.device), notes.unsqueeze(3)
            losses = losses + (_surprise(found.more, (number > few).float()) * (number >= few)).sum(3) * played
        losses = losses + _surprise(found.cells(notes), draft.cells).sum(3) * played
        if found.onsets is not None and draft.onsets is not None:
            losses = losses + (_surprise(found.onsets, draft.onsets) * draft.cells).sum(3) * moves
        return ((losses * hidden).sum((1, 2)) / hidden.sum((1, 2))).mean()

    def _moves(self, draft: Draft) -> Tensor:
        """Where a track moves: zeros and ones ``(batch, tracks, steps)``; all do at a phrase's first step."""
        changed = (draft.cells[:, :, 1:] != draft.cells[:, :, :-1]).any(3)
        if draft.onsets is not None:
            changed = changed | (draft.onsets[:, :, 1:] > 0).any(3)
        moved = F.pad(changed, (1, 0), value=True) | self.drums.unsqueeze(1)
        return moved.to(draft.cells.dtype)

    def forward(self, noise: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Phrases. All chance is in the noise: ``generator`` is not needed and ignored."""
        return self.complete(*self._nothing(noise), noise)

    def preactivated(self, noise: Tensor) -> Tensor:
        """Of each cell the probability with which it was decided on last, of the phrases' shape.

        A step's decisions follow those of the step before: a cell sounds if its track moves and chooses it, or holds
        and it sounded. What is then made to begin because it follows silence is not among the onsets here.
        """
        odds, draft, free = noise.new_zeros(()), *self._nothing(noise)
        form = self._form(draft, free, noise)
        for opened, found, made in self._revisions(draft, free, noise, form):
            chosen = opened.repeat_interleave(self.unit, 2)[:, None, :, :, None]
            odds = torch.where(chosen, odds_of(found, made, self.neuron), odds)  # the first stage opens all
        if form:
            odds = torch.stack([form.repeat(plane) for plane in odds.unbind(1)], 1)
        phrases: Tensor = odds.flatten(1, 2).unflatten(2, (self.plan.bars, self.plan.steps))
        return phrases

    def _nothing(self, noise: Tensor) -> tuple[Draft, Tensor]:
        """A silent draft, all of whose units are free."""
        plan = self.plan
        silence = noise.new_zeros(len(noise), plan.tracks, plan.bars * plan.steps, plan.pitches)
        free = torch.ones(len(noise), plan.tracks, plan.bars * plan.beats, dtype=torch.bool, device=noise.device)
        return Draft(silence, silence if plan.planes > 1 else None), free

    def accompany(self, given: Tensor, free: Tensor, noise: Tensor) -> Tensor:
        """Phrases in which some units are as they were given, and the others composed to them.

        Args:
            given: phrases ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            free: ``(batch, tracks, bars * beats)``, which units are to be composed.
            noise: ``(batch, latent)``.

        """
        return self.complete(self._draft(given), free, noise)

    def revise(self, phrases: Tensor, free: Tensor, noise: Tensor, passes: int, share: float) -> Tensor:
        """Phrases of which a share of the free units was decided on anew, a few times; the others see them all.

        Args:
            phrases: ``(batch, channels, bars, steps, pitches)``, zeros and ones.
            free: ``(batch, tracks, bars * beats)``, which units may change.
            noise: ``(batch, latent)``; of its stages the first ones serve.
            passes: how often, at most as often as there are stages.
            share: of the free units that each pass opens.

        """
        draft = self._draft(phrases)
        for _, chances in zip(range(passes), self.noise.of_stages(noise), strict=False):
            opened = free & (chances.opening < share)
            draft = self._decide(draft, opened, self.logits(draft, opened), chances)
        return self._phrases(draft)

    def complete(self, draft: Draft, free: Tensor, noise: Tensor) -> Tensor:
        """Decide on the free units of a draft, stage by stage; the last stage alone is differentiated."""
        form = self._form(draft, free, noise)
        for _, _, made in self._revisions(draft, free, noise, form):
            draft = made
        return self._phrases(draft)

    def _form(self, draft: Draft, free: Tensor, noise: Tensor) -> Form | None:
        """Which bars come back, in keeping with those that are given whole; bars given in part come back nowhere."""
        if not self.settings.form:
            return None
        bars = free.unflatten(2, (self.plan.bars, self.plan.beats))
        forms = self.forms[: int(self.seen.clamp(1, KEPT))]
        like = choose(forms, self._bars(draft), ~bars.any(3), self.noise.of_form(noise))
        whole = bars.all(3) | ~bars.any(3)
        itself = torch.arange(self.plan.bars, device=like.device)
        return Form(torch.where(whole & whole.gather(2, like), like, itself))

    def _bars(self, draft: Draft) -> Tensor:
        """All that is in each bar of a draft: ``(batch, tracks, bars, numbers)``."""
        planes = [draft.cells] if draft.onsets is None else [draft.cells, draft.onsets]
        return torch.cat([plane.unflatten(2, (self.plan.bars, -1)).flatten(3) for plane in planes], 3)

    def _revisions(
        self, draft: Draft, free: Tensor, noise: Tensor, form: Form | None
    ) -> Iterator[tuple[Tensor, Logits, Draft]]:
        """Stage by stage which units were opened, what was found for them, and the draft with what was decided."""
        last = self.settings.stages - 1
        if form:  # what is like something given is given too
            draft, free = draft.repeating(form), form.repeat(free)
        for number, chances in enumerate(self.noise.of_stages(noise)):
            taught = torch.is_grad_enabled() and number == last
            share = max(self._share(number), self.settings.lesson if taught else 0)
            chance = form.repeat(chances.opening) if form else chances.opening
            opened = free if number == 0 else free & (chance < share)
            with torch.set_grad_enabled(taught):
                found = self.logits(draft, opened)
                draft = self._decide(draft, opened, found, chances, form)
            yield opened, found, draft

    def _share(self, stage: int) -> float:
        """The share of units that a stage opens: from all, evenly down to the least share, which is then kept."""
        settings = self.settings
        falling = 1 - stage / max(1.0, settings.falling * (settings.stages - 1))
        return max(settings.least, falling)

    def _decide(self, draft: Draft, opened: Tensor, found: Logits, chances: Chances, form: Form | None = None) -> Draft:
        """The draft with new decisions in its open units; bars that come back share theirs."""
        chosen = opened.repeat_interleave(self.unit, 2)
        moves, sounds = self._neuron(found.moves, chances.moving), None
        if found.rests is not None:
            sounds = 1 - self._neuron(found.rests, chances.inclined[..., :1].expand_as(found.rests))
            sounds = torch.where(chosen, sounds, draft.cells.amax(3))
            moves = 1 - (1 - moves) * sounds * before(sounds)
        # What is known counts as moving to what it is, so that open steps behind it may hold it.
        moves = torch.where(chosen, F.pad(moves[:, :, 1:], (1, 0), value=1.0), 1.0)
        notes = None
        if found.more is not None:
            exceeds = exceeding(found.more)
            notes = 1 + self._neuron(exceeds, chances.inclined[..., -1:].unsqueeze(3).expand_as(exceeds)).sum(3)
        likely = found.cells(notes)
        cells = self._neuron(likely, coupled_thresholds(self.neuron.preactivate(likely), chances.sounding.unsqueeze(3)))
        if sounds is not None:
            cells = cells * sounds.unsqueeze(3)
        cells = torch.where(chosen.unsqueeze(3), cells, draft.cells)
        if form:  # now, so that what follows a bar that comes back may hold what is in it
            moves, cells = form.repeat(moves), form.repeat(cells)
        # The last step at which the track moved, up to each step.
        place = torch.arange(moves.shape[2], device=moves.device)
        since = torch.where(moves > 0, place, 0).cummax(2).values.unsqueeze(3).expand_as(cells)
        moved = moves.unsqueeze(3)
        # Where the track holds, the estimator still hears what moving there would have changed.
        held = cells.gather(2, since)
        cells = moved * cells + (1 - moved) * held
        onsets = None
        if found.onsets is not None and draft.onsets is not None:
            onsets = self._neuron(found.onsets, chances.beginning.unsqueeze(3).expand_as(found.onsets)) * cells * moved
            onsets = torch.where(chosen.unsqueeze(3), onsets, draft.onsets)
        made = Draft(cells, onsets)
        return made.repeating(form) if form else made

    def _neuron(self, logits: Tensor, thresholds: Tensor) -> Tensor:
        given = {"thresholds": thresholds} if isinstance(self.neuron, SBN) else {}
        decided: Tensor = self.neuron(logits, **given)
        return decided

    def _draft(self, phrases: Tensor) -> Draft:
        planes = phrases.unflatten(1, (self.plan.planes, self.plan.tracks)).flatten(3, 4).unbind(1)
        return Draft(planes[0], planes[1] if len(planes) > 1 else None)

    def _phrases(self, draft: Draft) -> Tensor:
        """A draft as phrases; with onsets, what follows silence begins a note also where none was decided."""
        plan, planes = self.plan, [draft.cells]
        if draft.onsets is not None:
            silent = 1 - F.pad(draft.cells, (0, 0, 1, 0), value=1.0)[:, :, :-1]
            planes.append(draft.onsets + (1 - draft.onsets) * silent * draft.cells)
        phrases: Tensor = torch.stack(planes, 1).flatten(1, 2).unflatten(2, (plan.bars, plan.steps))
        return phrases


def _surprise(logits: Tensor, bits: Tensor) -> Tensor:
    """The cross-entropy of each bit."""
    return F.binary_cross_entropy_with_logits(logits, bits, reduction="none")

// The plan above the notes: chords by beat, and for each track its bars (who plays, what comes back, how busy).

import { colours } from "./colours.js";
import { openCell, openChord } from "./dialogs.js";
import { changed, decide, onChange, store } from "./store.js";

const plan = document.getElementById("plan");

export function start() {
  onChange((what) => ["all", "selection", "zoom", "heard"].includes(what) && render());
}

function make(tag, options = {}, ...children) {
  const { label, title, pressed, classes = [], style = {}, click, menu, text, ...rest } = options;
  const element = document.createElement(tag);
  if (label) element.setAttribute("aria-label", label);
  if (title) element.title = title;
  if (pressed !== undefined) element.setAttribute("aria-pressed", String(pressed));
  if (text !== undefined) element.textContent = text;
  element.classList.add(...classes.filter(Boolean));
  Object.entries(style).forEach(([name, value]) => element.style.setProperty(name, value));
  Object.assign(element.dataset, rest);
  if (click) element.addEventListener("click", click);
  if (menu) element.addEventListener("contextmenu", (event) => (event.preventDefault(), menu(event)));
  element.append(...children);
  return element;
}

function render() {
  const focused = document.activeElement?.dataset?.id;
  const { view } = store;
  plan.style.width = `calc(var(--head) + ${view.bars * store.barWidth}px)`;
  const rows = [ruler(), harmony()];
  const palette = colours(view.tracks);
  view.tracks.forEach((track, number) => rows.push(trackRow(track, number, palette[number])));
  plan.replaceChildren(...rows);
  if (focused) plan.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const row = (label, heading, cells, kind) =>
  make("div", { classes: ["row", kind], label }, make("div", { classes: ["head"] }, ...heading), make("div", { classes: ["cells"] }, ...cells));

// Bar numbers: a click selects a bar, with shift up to it.
function ruler() {
  const { view, selection } = store;
  const cells = [...Array(view.bars).keys()].map((bar) => {
    const [first, stop] = [bar * view.beats, (bar + 1) * view.beats];
    const selected = Boolean(selection && selection[0] < stop && first < selection[1]);
    const click = (event) => {
      if (event.shiftKey && selection) store.selection = [Math.min(first, selection[0]), Math.max(stop, selection[1])];
      else store.selection = selection && selection[0] === first && selection[1] === stop ? null : [first, stop];
      changed("selection");
    };
    return make("button", { text: bar + 1, label: `Select bar ${bar + 1}`, pressed: selected, click, id: `bar-${bar}`,
      style: { width: `${store.barWidth}px` } });
  });
  const name = make("span", { text: "Bar", classes: ["name"] });
  return row("Bars", [name], cells, "ruler");
}

// Chords: neighbouring beats of a bar with one chord are one switch.
export function chordRuns() {
  const { view } = store;
  const runs = [];
  for (let beat = 0; beat < view.bars * view.beats; beat++) {
    const shown = view.plan.shown.harmony[beat];
    const decided = view.plan.decided.harmony[beat];
    const last = runs.at(-1);
    const same = last && (decided === null ? last.shown === shown : true) && last.decided === decided;
    const heard = view.plan.obeyed[beat];
    if (same && beat % view.beats) Object.assign(last, { stop: beat + 1, heard: last.heard && heard });
    else runs.push({ first: beat, stop: beat + 1, shown, decided, heard });
  }
  return runs;
}

function harmony() {
  const { view } = store;
  const width = store.barWidth / view.beats;
  const cells = chordRuns().map((run) => {
    const name = run.decided ?? run.shown ?? "";
    const user = run.decided !== null;
    const who = user ? (run.heard ? "your decision" : "your decision, not heard yet") : "as composed";
    return make("button", { text: name, classes: ["chord", user && "user", !run.heard && "pending"],
      label: `Chord of beats ${run.first + 1} to ${run.stop}: ${name}, ${who}`, title: who, id: `chord-${run.first}`,
      style: { width: `${width * (run.stop - run.first) - 2}px` }, click: () => openChord(run) });
  });
  return row("Chords", [make("span", { text: "Chords", classes: ["name"] })], cells, "harmony");
}

function trackRow(track, number, colour) {
  const { view } = store;
  const active = store.track === number;
  const heading = [
    make("span", { classes: ["swatch"] }),
    make("button", { text: track.name, classes: ["name"], pressed: active, id: `track-${number}`,
      title: "Choose the track; again: select it alone", click: () => choose(number) }),
    make("button", { text: "M", classes: ["small"], pressed: store.muted.has(number), label: `Mute ${track.name}`,
      id: `mute-${number}`, click: () => toggle(store.muted, number) }),
    make("button", { text: "S", classes: ["small", "solo"], pressed: store.solo.has(number), label: `Solo ${track.name}`,
      id: `solo-${number}`, click: () => toggle(store.solo, number) }),
    lockButton(track, number),
  ];
  const cells = [...Array(view.bars).keys()].map((bar) => cell(track, number, bar));
  const made = row(track.name, heading, cells, "track");
  made.style.setProperty("--track", colour);
  return made;
}

function lockButton(track, number) {
  const all = [...store.view.locks[number]].every((sign) => sign === "1");
  return make("button", { text: "L", classes: ["small"], pressed: all, id: `lock-${number}`,
    label: `Lock ${track.name}`, click: () => decide([{ do: "lock", tracks: [number], on: !all }], {}) });
}

export function toggle(set, number) {
  if (!set.delete(number)) set.add(number);
  changed("heard");
}

export function choose(number) {
  store.onlyTrack = store.track === number && !store.onlyTrack;
  store.track = number;
  changed("selection");
}

const letter = (bar) => String.fromCharCode(65 + (bar % 26));

function cell(track, number, bar) {
  const { view } = store;
  const { shown, decided } = view.plan;
  const plays = shown.instruments[number][bar];
  const wish = decided.instruments[number][bar];
  const user = wish !== null || decided.form[number][bar] !== null || decided.activity[number][bar] !== null;
  const on = wish ?? plays;
  const form = decided.form[number][bar] ?? shown.form[number][bar];
  const pending = (wish !== null && wish !== plays) || (decided.form[number][bar] !== null && decided.form[number][bar] !== shown.form[number][bar]);
  const busy = "▁▂▃▄▅▆▇██"[shown.activity[number][bar] ?? 0];
  const locked = view.locks[number].slice(bar * view.beats, (bar + 1) * view.beats).includes("1");
  const chosen = store.onlyTrack && store.track === number;
  const who = user ? (pending ? "your decision, not heard yet" : "your decision") : "as composed";
  const label = `${track.name}, bar ${bar + 1}: ${on ? "plays" : "silent"}, ${who}${locked ? ", locked" : ""}`;
  const flip = () => decide([{ do: "decide", part: "instruments", track: number, bar, value: !on }], areaOf(number, bar));
  return make("button", { text: on ? `${plays ? `${letter(form)} ${busy}` : "…"}` : "–", label, title: `${who}; right click or “.” for more`,
    classes: ["cell", on ? "on" : "off", user && "user", pending && "pending", locked && "locked", chosen && "chosen"],
    pressed: on, id: `cell-${number}-${bar}`, track: number, bar, style: { width: `${store.barWidth - 2}px` },
    click: (event) => (event.altKey ? openCell(number, bar) : flip()), menu: () => openCell(number, bar) });
}

export const areaOf = (track, bar) => ({ tracks: [track], beats: [bar * store.view.beats, (bar + 1) * store.view.beats] });

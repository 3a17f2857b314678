// The plan above the notes: chords by beat, and for each track its bars (who plays, what comes back, how busy).

import { colours, isDark } from "./colours.js";
import { openCell, openChord } from "./dialogs.js";
import { beatName, chordText } from "./layout.js";
import { seek } from "./player.js";
import { changed, decide, edit, onChange, store } from "./store.js";

const plan = document.getElementById("plan");

export function start() {
  onChange((what) => ["all", "selection", "zoom", "heard"].includes(what) && render());
}

export function icon(name, classes = "") {
  const image = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  image.setAttribute("class", classes);
  image.setAttribute("aria-hidden", "true");
  image.append(use);
  return image;
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

let drawn = ""; // what is drawn: a button that is replaced while it is pressed loses the click

function render() {
  const now = JSON.stringify([store.view.revision, store.barWidth, store.selection, store.track, store.onlyTrack,
    [...store.muted], [...store.solo], isDark()]);
  if (now === drawn) return;
  drawn = now;
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

// Bar numbers: a click selects a bar, with shift up to it, and playing goes on from there.
function ruler() {
  const { view, selection } = store;
  const cells = [...Array(view.bars).keys()].map((bar) => {
    const [first, stop] = [bar * view.beats, (bar + 1) * view.beats];
    const selected = Boolean(selection && selection[0] < stop && first < selection[1]);
    const click = (event) => {
      if (event.shiftKey && selection) store.selection = [Math.min(first, selection[0]), Math.max(stop, selection[1])];
      else store.selection = selection && selection[0] === first && selection[1] === stop ? null : [first, stop];
      if (store.selection && !store.playing) seek(store.selection[0] * view.unit);
      changed("selection");
    };
    return make("button", { text: bar + 1, label: `Select bar ${bar + 1}`, pressed: selected, click, id: `bar-${bar}`,
      title: "Select the bar; with Shift up to it",
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
    const silent = run.decided === null && !view.notes.length;
    const name = silent ? "" : run.decided ?? run.shown ?? "";
    const user = run.decided !== null;
    const who = user ? (run.heard ? "your decision" : "your decision, not heard yet") : "as composed";
    return make("button", { text: chordText(name), classes: ["chord", user && "user", !run.heard && "pending"],
      label: `Chord from ${beatName(run.first)}: ${name || "open"}, ${who}`, title: `${name || "Chord"}: ${who}`, id: `chord-${run.first}`,
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
  made.classList.toggle("chosen-track", active);
  made.classList.toggle("chosen-alone", active && Boolean(store.onlyTrack));
  made.style.setProperty("--track", colour);
  return made;
}

function lockButton(track, number) {
  const all = [...store.view.locks[number]].every((sign) => sign === "1");
  const made = make("button", { classes: ["small"], pressed: all, id: `lock-${number}`, title: "Lock the track",
    label: `Lock ${track.name}`, click: () => edit({ do: "lock", tracks: [number], on: !all }) });
  made.append(icon("lock", "tiny"));
  return made;
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

const letter = (bar) => (bar < 26 ? "" : letter(Math.floor(bar / 26) - 1)) + String.fromCharCode(65 + (bar % 26));

function cell(track, number, bar) {
  const { view } = store;
  const { shown, decided } = view.plan;
  const plays = shown.instruments[number][bar];
  const wish = decided.instruments[number][bar];
  const user = wish !== null || decided.form[number][bar] !== null || decided.activity[number][bar] !== null;
  const on = wish ?? plays;
  const form = decided.form[number][bar] ?? shown.form[number][bar];
  const [busy, sounding] = [decided, shown].map((plan) => plan.activity[number][bar]);
  const pending = (wish !== null && wish !== plays) || (decided.form[number][bar] !== null && decided.form[number][bar] !== shown.form[number][bar])
    || (busy !== null && on && Math.abs(busy - (sounding ?? 0)) > 1); // the music follows it to a level
  const activity = (plays ? sounding : busy) ?? 0;
  const locked = view.locks[number].slice(bar * view.beats, (bar + 1) * view.beats).includes("1");
  const who = user ? (pending ? "your decision, not heard yet" : "your decision") : "as composed";
  const label = `${track.name}, bar ${bar + 1}: ${on ? "plays" : "silent"}, ${who}${locked ? ", locked" : ""}`;
  const flip = () => decide([{ do: "decide", part: "instruments", track: number, bar, value: !on }], areaOf(number, bar));
  const inside = [];
  if (on) {
    const facet = (part) => decided[part][number][bar] !== null && "facet";
    inside.push(make("span", { text: plays ? letter(form) : "…", classes: [facet("form")] }));
    if (locked) inside.push(icon("lock", "tiny"));
    inside.push(make("span", { classes: ["busy", facet("activity")], style: { "--level": activity } }));
  } else {
    if (user || view.notes.length) inside.push("–");
    if (locked) inside.push(icon("lock", "tiny"));
  }
  return make("button", { label, title: `${who}; right click, long press or “.” for more`,
    classes: ["cell", on ? "on" : "off", user && "user", pending && "pending", locked && "locked"],
    pressed: on, id: `cell-${number}-${bar}`, track: number, bar, style: { width: `${store.barWidth - 2}px` },
    click: (event) => (event.altKey ? openCell(number, bar) : flip()), menu: () => openCell(number, bar) }, ...inside);
}

export const areaOf = (track, bar) => ({ tracks: [track], beats: [bar * store.view.beats, (bar + 1) * store.view.beats] });

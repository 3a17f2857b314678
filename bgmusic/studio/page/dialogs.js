// Dialogs: a chord and its twelve pitch classes, a bar of a track, a dropped MIDI file, the keys.

import { download } from "./api.js";
import { beatName, className } from "./layout.js";
import { areaOf } from "./plan.js";
import { compose, decide, edit, replaceProject, say, store } from "./store.js";

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function open(id, title, ...children) {
  const dialog = document.getElementById(id);
  const close = element("button", "Close", { type: "button" });
  close.addEventListener("click", () => dialog.close());
  const stack = element("div", "", { class: "stack" });
  stack.append(...children, close);
  dialog.replaceChildren(element("h2", title), stack);
  dialog.showModal();
  return dialog;
}

const heading = (text) => element("h3", text);

function button(text, act, attributes = {}) {
  const made = element("button", text, { type: "button", ...attributes });
  made.addEventListener("click", act);
  return made;
}

// The chord of some beats: by name, or by its pitch classes.
export function openChord(run) {
  const beats = [run.first, run.stop];
  const name = element("input", "", { value: run.decided ?? run.shown ?? "", "aria-label": "Name of the chord", spellcheck: "false" });
  const set = async (chord) => {
    dialog.close();
    await decide([{ do: "chord", beats, name: chord }], { beats });
  };
  const form = element("form");
  form.className = "across";
  form.append(name, element("button", "Decide", { class: "primary" }));
  form.addEventListener("submit", (event) => (event.preventDefault(), set(name.value.trim() || null)));
  const classes = element("div", "", { class: "classes", role: "group", "aria-label": "Pitch classes" });
  const [bass, ...others] = store.view.plan.classes[name.value] ?? [];
  const on = new Set(bass === undefined ? [] : [bass, ...others]);
  for (let pitch = 0; pitch < 12; pitch++) {
    const one = button(className(pitch), () => {
      if (!on.delete(pitch)) on.add(pitch);
      one.setAttribute("aria-pressed", String(on.has(pitch)));
      const list = [...on].sort((a, b) => a - b);
      name.value = list.length ? `{${list.map(plain).join(",")}}/${plain(on.has(bass) ? bass : list[0])}` : "N.C.";
    }, { "aria-pressed": String(on.has(pitch)) });
    classes.append(one);
  }
  const release = button("Leave it to the composer", () => set(null));
  const last = run.stop - 1 > run.first ? ` to ${beatName(run.stop - 1)}` : "";
  const dialog = open("chord", `Chord, ${beatName(run.first)}${last}`, form, heading("Or by its notes"), classes, release);
  name.select();
}

const PLAIN = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const plain = (pitch) => PLAIN[pitch];

// A bar of a track: who decides, what it repeats, how busy it is, its lock.
export function openCell(track, bar) {
  const { view } = store;
  const { decided } = view.plan;
  const area = areaOf(track, bar);
  const act = (edit) => async () => {
    dialog.close();
    await decide([edit], area);
  };
  const choice = (part, value) => act({ do: "decide", part, track, bar, value });
  const form = select("What it repeats", [["", "the composer decides"],
    ...[...Array(bar + 1).keys()].map((other) => [String(other), other === bar ? "new music" : `the same as bar ${other + 1}`])],
    decided.form[track][bar], (value) => choice("form", value)());
  const busy = select("How busy", [["", "the composer decides"],
    ...["no notes begin", "1 step with onsets", ...[2, 3, 4, 6, 8, 12, 16].map((count) => `${count} or more steps with onsets`)]
      .map((text, level) => [String(level), text])],
    decided.activity[track][bar], (value) => choice("activity", value)());
  const wish = decided.instruments[track][bar];
  const across = element("div", "", { class: "across", role: "group", "aria-label": "Plays or silent" });
  across.append(...[["Plays", true], ["Silent", false], ["Composer", null]].map(([text, value]) =>
    button(text, choice("instruments", value), { "aria-pressed": String(wish === value) })));
  const locked = view.locks[track].slice(area.beats[0], area.beats[1]).includes("1");
  const dialog = open("cell", `${view.tracks[track].name}, bar ${bar + 1}`, heading("In this bar the track …"), across,
    heading("Form"), form, ...(view.plans ? [heading("Activity"), busy] : []),
    button(locked ? "Unlock" : "Lock", () => (dialog.close(), edit({ do: "lock", ...area, on: !locked }))),
    button("Leave all to the composer", async () => {
      dialog.close();
      await decide(["instruments", "form", "activity"].map((part) => ({ do: "decide", part, track, bar, value: null })), area);
    }));
}

function select(label, options, value, change) {
  const made = element("select", "", { "aria-label": label });
  made.append(...options.map(([key, text]) => new Option(text, key)));
  made.value = String(value ?? "");
  openByArrows(made);
  made.addEventListener("change", () => change(made.value === "" ? null : Number(made.value)));
  return made;
}

// Arrow keys open a menu: in a closed one they would choose, and a choice acts at once.
export function openByArrows(menu) {
  menu.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !menu.showPicker) return;
    event.preventDefault();
    menu.showPicker();
  });
}

// A MIDI file: what is to be done with it?
export function openGiven(file) {
  const { tracks, beats } = store.view;
  const load = async (query) => {
    dialog.close();
    const opened = await replaceProject(`import?${query}`, await file.arrayBuffer());
    if (opened && query) await compose({});
    if (opened?.left_out) say(opened.left_out);
  };
  const only = (track) => String(track);
  const others = (track) => tracks.map((_, number) => number).filter((number) => number !== track).join(",");
  const names = tracks.map(({ name }, number) => [String(number), name]);
  const line = (text, options, value, act, hint) => {
    const made = element("div", "", { class: "across" });
    let picked = value;
    made.append(button(text, () => load(act(picked)), { title: hint }), select(text, options, value, (one) => (picked = one)));
    return made;
  };
  const bass = tracks.findIndex(({ name }) => /bass/i.test(name));
  const melody = tracks.findIndex(({ drum }) => !drum);
  const dialog = open("given", file.name,
    button("Open as it is", () => load(""), { class: "primary" }),
    heading("Keep one track, compose the others"),
    line("Accompany", names, Math.max(0, melody), (track) => `given=${only(track)}`, "A melody is harmonised"),
    ...(tracks.length > 1 ? [heading("Keep all tracks but one"),
      line("Compose anew", names, Math.max(0, bass), (track) => `given=${others(track)}`, "A song gets another bass")] : []),
    heading("Keep all, and go on after the end"),
    line("Continue by", [4, 8, 16].map((bars) => [String(bars), `${bars} bars of ${beats} beats`]), 4, (bars) => `more=${bars}`,
      "The composer continues the piece"));
}

// The command that composes the piece, and the files that it reads.
export function openCommand({ line, files }) {
  const copy = button("Copy", () => navigator.clipboard.writeText(line).then(() => (copy.textContent = "Copied"),
    () => say("the browser does not let the page copy: select the text", true)), { class: "primary" });
  const saves = files.map((kind) => button(`Save ${store.view.stem}.${kind}`, () =>
    download(kind, store.view.stem).catch((error) => say(error.message, true))));
  const what = files.length
    ? "This composes the same notes again from the files below, in the folder where it runs. They hold what the composer was given: notes that you kept or drew, and long plans."
    : "This composes the same notes again, without any file.";
  open("line", "Command line", element("pre", line), element("p", what), ...saves, copy);
}

export function openKeys(keys) {
  const list = document.getElementById("keylist");
  list.replaceChildren(...keys.map(([key, what]) => {
    const line = element("div");
    const names = element("dt");
    names.append(...key.split(", ").flatMap((one, number) => [...(number ? [" "] : []), element("kbd", one)]));
    line.append(names, element("dd", what));
    return line;
  }));
  const dialog = document.getElementById("keys");
  dialog.querySelector("button").onclick = () => dialog.close();
  dialog.showModal();
}

// Dialogs: a chord and its twelve pitch classes, a bar of a track, a dropped MIDI file, the keys.

import { className } from "./layout.js";
import { areaOf } from "./plan.js";
import { decide, request, store } from "./store.js";

const CHORD = /^([A-G](?:#|b)?)/;

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
  form.append(name, element("button", "Decide", { class: "primary" }));
  form.addEventListener("submit", (event) => (event.preventDefault(), set(name.value.trim() || null)));
  const classes = element("div", "", { class: "classes", role: "group", "aria-label": "Pitch classes" });
  const on = new Set(classesOf(name.value));
  for (let pitch = 0; pitch < 12; pitch++) {
    const one = button(className(pitch), () => {
      if (!on.delete(pitch)) on.add(pitch);
      one.setAttribute("aria-pressed", String(on.has(pitch)));
      const list = [...on].sort((a, b) => a - b).map(plain);
      name.value = list.length ? `{${list.join(",")}}/${list.includes(bass) ? bass : list[0]}` : "N.C.";
    }, { "aria-pressed": String(on.has(pitch)) });
    classes.append(one);
  }
  const bass = name.value.match(/\/([A-G][#b]?)$/)?.[1] ?? name.value.match(CHORD)?.[1];
  const release = button("Leave it to the composer", () => set(null));
  const dialog = open("chord", `Chord, beats ${run.first + 1} to ${run.stop}`, form, classes, release);
  name.select();
}

const PLAIN = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const plain = (pitch) => PLAIN[pitch];
const KINDS = { "": [0, 4, 7], m: [0, 3, 7], 7: [0, 4, 7, 10], maj7: [0, 4, 7, 11], m7: [0, 3, 7, 10], dim: [0, 3, 6], aug: [0, 4, 8],
  sus4: [0, 5, 7], sus2: [0, 2, 7], 6: [0, 4, 7, 9], m6: [0, 3, 7, 9], m7b5: [0, 3, 6, 10], dim7: [0, 3, 6, 9], 5: [0, 7] };

function number(note) {
  const natural = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 }[note[0]];
  return (natural + (note[1] === "#" ? 1 : note[1] === "b" ? 11 : 0)) % 12;
}

function classesOf(name) {
  const listed = name.match(/^\{([^}]*)\}/);
  if (listed) return listed[1].split(",").map(number);
  const root = name.match(CHORD)?.[1];
  if (!root) return [];
  const [kind, bass] = name.slice(root.length).split("/");
  const found = (KINDS[kind] ?? KINDS[""]).map((interval) => (number(root) + interval) % 12);
  return bass ? [...found, number(bass)] : found;
}

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
  const form = element("select", "", { "aria-label": "Same as bar" });
  form.append(new Option("the composer decides", ""), new Option("new", String(bar)));
  for (let other = 0; other < bar; other++) form.append(new Option(`the same as bar ${other + 1}`, String(other)));
  form.value = String(decided.form[track][bar] ?? "");
  form.addEventListener("change", () => choice("form", form.value === "" ? null : Number(form.value))());
  const busy = element("select", "", { "aria-label": "How busy" });
  busy.append(new Option("as busy as the composer decides", ""));
  ["no notes begin", "1 step with onsets", ...[2, 3, 4, 6, 8, 12, 16].map((count) => `${count} or more steps with onsets`)]
    .forEach((text, level) => busy.append(new Option(text, String(level))));
  busy.value = String(decided.activity[track][bar] ?? "");
  busy.addEventListener("change", () => choice("activity", busy.value === "" ? null : Number(busy.value))());
  busy.hidden = !view.plans;
  const locked = view.locks[track].slice(area.beats[0], area.beats[1]).includes("1");
  const dialog = open("cell", `${view.tracks[track].name}, bar ${bar + 1}`,
    button("Plays", choice("instruments", true)), button("Silent", choice("instruments", false)),
    button("Leave it to the composer", async () => {
      dialog.close();
      await decide(["instruments", "form", "activity"].map((part) => ({ do: "decide", part, track, bar, value: null })), area);
    }),
    form, busy, button(locked ? "Unlock" : "Lock", act({ do: "lock", ...area, on: !locked })));
}

// A MIDI file: which tracks are given?
export function openGiven(file) {
  const boxes = store.view.tracks.map((track, number) => {
    const label = element("label", "", { class: "check" });
    const box = element("input", "", { type: "checkbox", value: String(number) });
    label.append(box, ` keep ${track.name}`);
    return { label, box };
  });
  const load = async (given) => {
    dialog.close();
    await request(`import?given=${given}`, await file.arrayBuffer());
  };
  const keep = button("Keep these, compose the others", () => {
    load(boxes.filter(({ box }) => box.checked).map(({ box }) => box.value).join(","));
  }, { class: "primary", disabled: "" });
  for (const { box } of boxes) box.addEventListener("change", () => (keep.disabled = !boxes.some((one) => one.box.checked)));
  const dialog = open("given", file.name, button("Open all tracks", () => load("")), ...boxes.map(({ label }) => label), keep);
}

export function openKeys(keys) {
  const list = document.getElementById("keylist");
  list.replaceChildren(...keys.flatMap(([key, what]) => [element("dt", key), element("dd", what)]));
  const dialog = document.getElementById("keys");
  dialog.querySelector("button").onclick = () => dialog.close();
  dialog.showModal();
}

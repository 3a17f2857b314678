// The keyboard: everything can be done without a pointer.

import { openCell, openKeys } from "./dialogs.js";
import { nameOf, place } from "./layout.js";
import { choose, toggle } from "./plan.js";
import { audition, pause, play, seek } from "./player.js";
import { deleteChosen, hint, moveChosen } from "./pointer.js";
import * as record from "./record.js";
import { follow, grain, redraw } from "./roll.js";
import { area, changed, compose, edit, keyOf, notes, redo, request, rowOf, say, steps, store, undo } from "./store.js";

const LIST = [
  ["space", "play and pause"], ["Enter", "compose the selection, or all that is not locked"], ["1 – 9", "show an alternative"],
  ["l", "lock or unlock the selection"], ["Ctrl+Z", "undo"], ["Ctrl+Shift+Z", "redo"],
  ["Tab", "go to the next switch; space or Enter flips it"], [".", "on a bar of a track: more decisions"],
  ["b", "select the bar of the playhead; with Shift up to it"], ["[, ]", "choose a track"], ["t", "select the chosen track alone"],
  ["m, s", "mute, solo the chosen track"], ["o", "loop the selection, or all"], ["←, →", "move the playhead by a beat; with Shift by a bar"],
  ["Home", "go to the beginning"], ["+, −", "zoom"], ["e", "show the score"], ["r", "play notes in"],
  ["arrows", "in the roll: move the cursor, or the selected notes"], ["Shift+←, →", "in the roll: shorten, lengthen the selected notes"],
  ["n", "add a note at the cursor"], ["k", "keep the selected notes as yours, or give them back"],
  ["Delete", "delete the selected notes, or the note at the cursor"],
  ["Esc", "stop composing, or select nothing"], ["Ctrl+S", "save the project"], ["?", "show this list"],
];

export const showKeys = () => openKeys(LIST);

const OTHERS = {
  "[": () => step(-1),
  "]": () => step(1),
  "+": () => zoom(1.25),
  "=": () => zoom(1.25),
  "-": () => zoom(0.8),
  "?": showKeys,
  l: lock,
  m: () => toggle(store.muted, store.track),
  s: () => toggle(store.solo, store.track),
  t: () => choose(store.track),
  o: () => ((store.loop = !store.loop), changed("playing")),
  n: addAtCursor,
  k: keep,
  b: () => selectBar(false),
  B: () => selectBar(true),
  r: record.toggle,
  e: () => document.getElementById("engrave").click(),
  Home: () => seek(0),
  Enter: () => compose(),
  Escape: escape,
  Delete: remove,
  Backspace: remove,
};

export function start() {
  document.addEventListener("keydown", (event) => {
    if (!store.view || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches("input:not([type=checkbox]), select");
    if (event.ctrlKey || event.metaKey) return withControl(event, typing);
    if (typing || event.altKey) return undefined;
    if (record.key(event, true)) return event.preventDefault();
    const onButton = event.target.matches("button, input");
    if (onButton && (event.key === " " || event.key === "Enter")) return undefined;
    if (event.key === "." && event.target.dataset.bar !== undefined) {
      event.preventDefault();
      return openCell(Number(event.target.dataset.track), Number(event.target.dataset.bar));
    }
    if (event.key === " ") {
      event.preventDefault();
      return store.playing ? pause() : play();
    }
    if (/^[1-9]$/.test(event.key)) return show(Number(event.key) - 1);
    if (event.key.startsWith("Arrow") && event.target.id === "roll") {
      event.preventDefault();
      return arrow(event);
    }
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      const by = (event.shiftKey ? store.view.steps : store.view.unit) * (event.key === "ArrowLeft" ? -1 : 1);
      seek((Math.round(store.step / by) + 1) * by);
      return follow();
    }
    const act = OTHERS[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
    return undefined;
  });
  document.addEventListener("keyup", (event) => record.key(event, false));
}

function withControl(event, typing) {
  const key = event.key.toLowerCase();
  if (key === "s") {
    event.preventDefault();
    save();
  } else if (!typing && key === "z") {
    event.preventDefault();
    if (event.shiftKey) redo();
    else undo();
  } else if (!typing && key === "y") {
    event.preventDefault();
    redo();
  }
}

export async function save() {
  if (!store.view.file) {
    document.getElementById("export").value = "bgstudio";
    document.getElementById("export").dispatchEvent(new Event("change"));
    return;
  }
  const done = await request("save");
  if (done) say(`saved: ${done.file}`);
}

export function show(take) {
  if (take < store.view.takes) edit({ do: "show", take, keep: true });
}

export function lock() {
  const where = area();
  const { view } = store;
  const tracks = where.tracks ?? [...view.tracks.keys()];
  const [first, stop] = where.beats ?? [0, view.bars * view.beats];
  const all = tracks.every((track) => !view.locks[track].slice(first, stop).includes("0"));
  edit({ do: "lock", ...where, on: !all });
}

function escape() {
  if (store.job) {
    request("cancel");
    return;
  }
  if (store.record) record.toggle();
  store.selection = null;
  store.onlyTrack = false;
  store.chosen.clear();
  changed("selection");
}

function selectBar(further) {
  const { selection, view } = store;
  const bar = Math.min(view.bars - 1, Math.floor(store.step / view.steps));
  const [first, stop] = [bar * view.beats, (bar + 1) * view.beats];
  store.selection = further && selection ? [Math.min(first, selection[0]), Math.max(stop, selection[1])] : [first, stop];
  changed("selection");
}

function step(by) {
  store.track = (store.track + by + store.view.tracks.length) % store.view.tracks.length;
  say(store.view.tracks[store.track].name);
  changed("selection");
}

export function zoom(factor) {
  store.zoomed = true;
  store.barWidth = Math.max(48, Math.min(1200, store.barWidth * factor));
  changed("zoom");
}

const atCursor = () =>
  notes().find((note) => note[0] === store.track && note[3] === store.cursor.pitch && note[1] <= store.cursor.step && store.cursor.step < note[1] + note[2]);

function arrow(event) {
  const { key, shiftKey } = event;
  const sideways = { ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0;
  const upwards = { ArrowUp: 1, ArrowDown: -1 }[key] ?? 0;
  if (store.chosen.size) {
    if (shiftKey && sideways) moveChosen({ longer: sideways * grain() });
    else moveChosen({ steps: sideways * grain(), semitones: upwards * (shiftKey ? 12 : 1) });
    return;
  }
  const track = store.view.tracks[store.track];
  const { cursor } = store;
  const wide = shiftKey ? store.view.unit : grain();
  cursor.step = Math.max(0, Math.min(steps() - grain(), cursor.step + sideways * wide));
  cursor.pitch = Math.max(track.low, Math.min(track.high, cursor.pitch + upwards * (shiftKey ? 12 : 1)));
  const note = atCursor();
  if (note) hint(note);
  else say(`${track.name}: ${nameOf(store.track, cursor.pitch)} at ${place(cursor.step)}, no note`);
  redraw();
}

async function addAtCursor() {
  const { cursor, track } = store;
  const done = await edit({ do: "add", notes: [[track, cursor.step, grain() * 4 <= steps() - cursor.step ? grain() * 4 : grain(), cursor.pitch]] });
  if (done) audition(track, cursor.pitch);
}

function keep() {
  if (!store.chosen.size) return;
  const keys = [...store.chosen].map(rowOf);
  const on = !notes().every((note) => !store.chosen.has(keyOf(note)) || note[4]);
  edit({ do: "own", notes: keys, on });
}

function remove() {
  const note = atCursor();
  if (store.chosen.size) deleteChosen();
  else if (note) edit({ do: "delete", notes: [[note[0], note[1], note[3]]] });
}


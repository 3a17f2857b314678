// The pointer in the piano-roll: draw, choose, move, lengthen and delete notes; press keys of the piano.

import { head, nameOf, place, stepWidth } from "./layout.js";
import { press, release } from "./record.js";
import { gesture, grain, line, nearestRow, redraw, rowAt } from "./roll.js";
import { changed, edit, keyOf, notes, rowOf, say, steps, store } from "./store.js";

const canvas = document.getElementById("roll");
const score = document.getElementById("score");

export function start() {
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", cancel);
  canvas.addEventListener("dblclick", (event) => {
    const note = noteAt(event);
    if (note) edit({ do: "delete", notes: [[note[0], note[1], note[3]]] });
  });
}

function where(event) {
  const box = canvas.getBoundingClientRect();
  const step = (event.clientX - box.left - head() + score.scrollLeft) / stepWidth();
  return { step, row: rowAt(event.clientY - box.top), inside: event.clientX - box.left > head() };
}

function noteAt(event) {
  const { step, row, inside } = where(event);
  const one = line(row);
  if (!one || !inside) return null;
  const hits = notes().filter((note) => {
    const { drum } = store.view.tracks[note[0]];
    const long = drum ? Math.max(note[2], 6 / stepWidth()) : note[2];
    return drum === one.drum && note[3] === one.pitch && note[1] <= step && step < note[1] + long;
  });
  return hits.find((note) => note[0] === store.track) ?? hits[0] ?? null;
}

// The active track, or another one if it does not play such a row.
function chooseTrackFor(one) {
  if (store.view.tracks[store.track].drum === one.drum) return;
  const other = store.view.tracks.findIndex((track) => track.drum === one.drum);
  if (other >= 0) store.track = other;
}

function down(event) {
  if (event.button || store.preview) return;
  canvas.focus();
  const { step, row, inside } = where(event);
  const one = line(row);
  if (!one) return;
  canvas.setPointerCapture(event.pointerId);
  if (!inside) {
    chooseTrackFor(one);
    gesture.key = one;
    press(one.pitch);
    redraw();
    return;
  }
  const note = noteAt(event);
  if (note) {
    if (!store.chosen.has(keyOf(note))) {
      if (!event.shiftKey) store.chosen.clear();
      store.chosen.add(keyOf(note));
    }
    store.track = note[0];
    const atEnd = (note[1] + note[2] - step) * stepWidth() < 7 && note[2] * stepWidth() > 12;
    gesture.drag = { kind: "move", step, row, steps: 0, semitones: 0, longer: 0, atEnd };
    hint(note);
  } else {
    store.chosen.clear();
    chooseTrackFor(one);
    const from = Math.floor(step / grain()) * grain();
    gesture.drag = { kind: "draw", row, from, to: from + grain() };
  }
  changed("selection");
}

function move(event) {
  const { drag } = gesture;
  if (!drag) return;
  const { step, row } = where(event);
  const moved = Math.round((step - drag.step) / grain()) * grain();
  if (drag.kind === "draw") {
    drag.to = Math.max(drag.from + grain(), Math.min(steps(), Math.ceil(step / grain()) * grain()));
  } else if (drag.atEnd) {
    drag.longer = moved;
  } else {
    drag.steps = moved;
    if (row >= 0) drag.semitones = nearestRow(row).pitch - nearestRow(drag.row).pitch;
  }
  redraw();
}

function cancel() {
  if (gesture.key) release(gesture.key.pitch);
  gesture.drag = gesture.key = null;
  redraw();
}

function up() {
  const { drag } = gesture;
  const pitch = drag ? nearestRow(drag.row).pitch : 0;
  cancel();
  if (drag?.kind === "draw") {
    edit({ do: "add", notes: [[store.track, drag.from, drag.to - drag.from, pitch]] });
  } else if (drag && (drag.steps || drag.semitones || drag.longer)) {
    moveChosen({ steps: drag.steps, semitones: drag.semitones, longer: drag.longer });
  }
}

export async function moveChosen(by) {
  const keys = [...store.chosen].map(rowOf);
  const done = await edit({ do: "move", notes: keys, ...by });
  if (done) {
    store.chosen = new Set(keys.map(([t, s, p]) => `${t}/${s + (by.steps ?? 0)}/${p + (by.semitones ?? 0)}`));
    changed("selection");
  }
}

export function deleteChosen() {
  if (store.chosen.size) edit({ do: "delete", notes: [...store.chosen].map(rowOf) });
}

export function hint(note) {
  const who = note[4] ? "yours, kept" : "the composer's";
  say(`${store.view.tracks[note[0]].name}: ${nameOf(note[0], note[3])} at ${place(note[1])}, ${who}`);
}

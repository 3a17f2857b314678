// The piano-roll: all tracks in colour on a canvas. Draw, move, lengthen and delete notes by pointer and keys.

import { colours, css } from "./colours.js";
import { head, nameOf, noteName, place, rowHeight, rows, stepWidth } from "./layout.js";
import { changed, edit, keyOf, notes, onChange, rowOf, say, steps, store } from "./store.js";

const canvas = document.getElementById("roll");
const sheet = document.getElementById("sheet");
const score = document.getElementById("score");
const pen = canvas.getContext("2d");
let lines = []; // rows that are shown
let height = 12;
let drag = null;

export function start() {
  onChange((what) => what !== "job" && redraw());
  score.addEventListener("scroll", redraw, { passive: true });
  new ResizeObserver(redraw).observe(score);
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", () => ((drag = null), redraw()));
  canvas.addEventListener("dblclick", (event) => {
    const note = noteAt(event);
    if (note) edit({ do: "delete", notes: [[note[0], note[1], note[3]]] });
  });
}

let waiting = 0;
export function redraw() {
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    if (store.view) draw();
  });
}

const x = (step) => head() + step * stepWidth() - score.scrollLeft;
const y = (row) => row * height;
const rowOfNote = (note) =>
  lines.findIndex((line) => line.pitch === note[3] && line.drum === store.view.tracks[note[0]].drum);

function draw() {
  const { view } = store;
  lines = rows();
  const room = score.clientHeight - document.getElementById("plan").offsetHeight;
  height = rowHeight(lines.length, room);
  const width = score.clientWidth;
  const tall = Math.max(room, lines.length * height);
  sheet.style.width = `${head() + view.bars * store.barWidth}px`;
  const ratio = devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(tall * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(tall * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${tall}px`;
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, tall);
  drawGrid(width, tall);
  pen.save();
  pen.beginPath();
  pen.rect(head(), 0, width - head(), tall);
  pen.clip();
  drawLocks();
  drawNotes();
  if (store.selection) {
    pen.fillStyle = css("--select");
    const [first, stop] = store.selection.map((beat) => beat * view.unit);
    pen.fillRect(x(first), 0, (stop - first) * stepWidth(), tall);
  }
  if (drag?.kind === "draw") drawBox(drag.row, drag.from, drag.to, colours(view.tracks)[store.track], true);
  drawCursor();
  pen.fillStyle = css("--ink");
  pen.fillRect(x(store.step), 0, 1.5, tall);
  pen.restore();
  drawNames(tall);
}

function drawGrid(width, tall) {
  const { view } = store;
  const black = css("--black-key");
  lines.forEach((line, row) => {
    if (line.drum ? row % 2 : [1, 3, 6, 8, 10].includes(line.pitch % 12)) {
      pen.fillStyle = black;
      pen.fillRect(0, y(row), width, height);
    }
    if (!line.drum && line.pitch % 12 === 0) line_(0, y(row) + height, width, y(row) + height, css("--line"));
    if (line.drum && !lines[row - 1]?.drum) line_(0, y(row), width, y(row), css("--strong"));
  });
  const [thin, thick] = [css("--line"), css("--strong")];
  const first = Math.max(0, Math.floor(score.scrollLeft / (stepWidth() * view.unit)));
  for (let beat = first; beat <= view.bars * view.beats; beat++) {
    const at = x(beat * view.unit);
    if (at > width) break;
    if (at >= head()) line_(at, 0, at, tall, beat % view.beats ? thin : thick);
  }
}

function line_(x1, y1, x2, y2, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(Math.round(x1) + 0.5, Math.round(y1) - 0.5);
  pen.lineTo(Math.round(x2) + (x1 === x2 ? 0.5 : 0), Math.round(y2) - 0.5);
  pen.stroke();
}

// Locks of the active track lie as stripes over its beats; those of other tracks show on their notes.
function drawLocks() {
  const { view } = store;
  const width = stepWidth() * view.unit;
  pen.strokeStyle = css("--strong");
  pen.lineWidth = 1;
  [...view.locks[store.track]].forEach((sign, beat) => {
    const left = x(beat * view.unit);
    if (sign === "0" || left > canvas.clientWidth || left + width < 0) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, width, canvas.clientHeight);
    pen.clip();
    pen.beginPath();
    for (let at = -canvas.clientHeight; at < width; at += 12) {
      pen.moveTo(left + at, canvas.clientHeight);
      pen.lineTo(left + at + canvas.clientHeight, 0);
    }
    pen.globalAlpha = 0.35;
    pen.stroke();
    pen.restore();
  });
}

function drawNotes() {
  const palette = colours(store.view.tracks);
  const order = [...notes()].sort((a, b) => (a[0] === store.track) - (b[0] === store.track));
  for (const note of order) {
    const row = rowOfNote(note);
    if (row < 0) continue;
    const moved = drag?.kind === "move" && store.chosen.has(keyOf(note));
    const [shift, up_, longer] = moved ? [drag.steps, drag.semitones, drag.longer] : [0, 0, 0];
    const place_ = moved ? rowOfNote([note[0], 0, 0, note[3] + up_]) : row;
    if (place_ < 0) continue;
    const begin = note[1] + shift;
    drawBox(place_, begin, begin + Math.max(1, note[2] + longer), palette[note[0]], note[0] === store.track, note);
  }
}

function drawBox(row, from, to, colour, isActive, note = null) {
  const left = x(from);
  const drum = lines[row].drum;
  const wide = drum ? Math.max(4, Math.min(height - 2, stepWidth() * 2)) : Math.max(2, (to - from) * stepWidth() - 1);
  if (left > canvas.clientWidth || left + wide < head()) return;
  pen.globalAlpha = isActive ? 1 : 0.62;
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(left, y(row) + 1, wide, height - 2, 2.5);
  pen.fill();
  if (note?.[4]) {
    // The user's: an outline.
    pen.strokeStyle = css("--ink");
    pen.lineWidth = 1.5;
    pen.stroke();
  }
  if (note && store.chosen.has(keyOf(note))) {
    pen.strokeStyle = css("--accent");
    pen.lineWidth = 3;
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

function drawCursor() {
  if (document.activeElement !== canvas) return;
  const drum = store.view.tracks[store.track].drum;
  const row = lines.findIndex((line) => line.pitch === store.cursor.pitch && line.drum === drum);
  if (row < 0) return;
  pen.strokeStyle = css("--accent");
  pen.lineWidth = 2;
  pen.strokeRect(x(store.cursor.step), y(row), stepWidth() * grain(), height);
}

function drawNames(tall) {
  pen.fillStyle = css("--paper");
  pen.fillRect(0, 0, head(), tall);
  pen.font = `${Math.min(11, height)}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  lines.forEach((line, row) => {
    const dark = !line.drum && [1, 3, 6, 8, 10].includes(line.pitch % 12);
    pen.fillStyle = dark ? css("--strong") : css("--card");
    if (!line.drum) pen.fillRect(head() - 26, y(row) + 0.5, dark ? 17 : 25, height - 1);
    pen.fillStyle = css("--quiet");
    const named = line.drum || line.pitch % 12 === 0 || height >= 13;
    if (named && !dark) pen.fillText(line.drum ? nameOfDrum(line.pitch) : noteName(line.pitch), 10, y(row) + height / 2);
  });
  line_(head(), 0, head(), tall, css("--strong"));
}

const nameOfDrum = (pitch) => nameOf(store.view.tracks.findIndex((track) => track.drum), pitch);

// Steps of a drawn note at least: a quarter of a beat.
export const grain = () => Math.max(1, Math.floor(store.view.unit / 4));

function where(event) {
  const box = canvas.getBoundingClientRect();
  const step = (event.clientX - box.left - head() + score.scrollLeft) / stepWidth();
  return { step, row: Math.floor((event.clientY - box.top) / height), inside: event.clientX - box.left > head() };
}

function noteAt(event) {
  const { step, row } = where(event);
  const line = lines[row];
  if (!line) return null;
  const hits = notes().filter((note) => {
    const drum = store.view.tracks[note[0]].drum;
    const long = drum ? Math.max(note[2], 6 / stepWidth()) : note[2];
    return drum === line.drum && note[3] === line.pitch && note[1] <= step && step < note[1] + long;
  });
  return hits.find((note) => note[0] === store.track) ?? hits[0] ?? null;
}

function down(event) {
  if (event.button || store.preview) return;
  canvas.focus();
  const { step, row, inside } = where(event);
  const line = lines[row];
  if (!inside || !line) return;
  canvas.setPointerCapture(event.pointerId);
  const note = noteAt(event);
  if (note) {
    if (!store.chosen.has(keyOf(note))) {
      if (!event.shiftKey) store.chosen.clear();
      store.chosen.add(keyOf(note));
    }
    store.track = note[0];
    const atEnd = (note[1] + note[2] - step) * stepWidth() < 7 && note[2] * stepWidth() > 12;
    drag = { kind: "move", step, row, steps: 0, semitones: 0, longer: 0, atEnd };
    hint(note);
    changed("selection");
    return;
  }
  store.chosen.clear();
  const drum = store.view.tracks[store.track].drum;
  if (line.drum !== drum) {
    const other = store.view.tracks.findIndex((track) => track.drum === line.drum);
    if (other >= 0) store.track = other;
  }
  const from = Math.floor(step / grain()) * grain();
  drag = { kind: "draw", row, from, to: from + grain() };
  changed("selection");
}

function move(event) {
  if (!drag) return;
  const { step, row } = where(event);
  if (drag.kind === "draw") {
    drag.to = Math.max(drag.from + grain(), Math.min(steps(), Math.ceil(step / grain()) * grain()));
  } else if (drag.atEnd) {
    drag.longer = Math.round((step - drag.step) / grain()) * grain();
  } else {
    drag.steps = Math.round((step - drag.step) / grain()) * grain();
    drag.semitones = (lines[drag.row]?.pitch ?? 0) * 0 + pitchAt(row) - pitchAt(drag.row);
  }
  redraw();
}

const pitchAt = (row) => lines[Math.max(0, Math.min(lines.length - 1, row))].pitch;

function up() {
  const done = drag;
  drag = null;
  if (done?.kind === "draw") {
    edit({ do: "add", notes: [[store.track, done.from, done.to - done.from, lines[done.row].pitch]] });
  } else if (done && (done.steps || done.semitones || done.longer)) {
    moveChosen({ steps: done.steps, semitones: done.semitones, longer: done.longer });
  }
  redraw();
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
  const track = store.view.tracks[note[0]];
  const who = note[4] ? "yours, kept" : "the composer's";
  say(`${track.name}: ${nameOf(note[0], note[3])} at ${place(note[1])}, ${who}`);
}

// Keep the playhead in sight.
export function follow() {
  const at = x(store.step);
  if (at > score.clientWidth - 40 || at < head()) score.scrollLeft = Math.max(0, store.step * stepWidth() - 60);
}

// The piano-roll: all tracks in colour on a canvas, with names of keys, notes and drums.

import { colours, css } from "./colours.js";
import { head, isBlack, nameOf, noteName, placeRows, rows, stepWidth } from "./layout.js";
import { keyOf, notes, onChange, store } from "./store.js";

const canvas = document.getElementById("roll");
const sheet = document.getElementById("sheet");
const score = document.getElementById("score");
const pen = canvas.getContext("2d");
const KEY = 58; // width of the piano's white keys
let lines = []; // rows that are shown
let tall = 0;

// What the pointer does now, see pointer.js: { kind: "draw" | "move", ... }, or null; and the key that it presses.
export const gesture = { drag: null, key: null };

export function start() {
  onChange((what) => what !== "job" && redraw());
  score.addEventListener("scroll", redraw, { passive: true });
  new ResizeObserver(redraw).observe(score);
}

let waiting = 0;
export function redraw() {
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    if (store.view) draw();
  });
}

const x = (step) => head() + step * stepWidth() - score.scrollLeft;
export const line = (row) => lines[row];
export const rowOf = (pitch, drum) => lines.findIndex((one) => one.pitch === pitch && one.drum === drum);
export const rowAt = (top) => lines.findIndex((one) => one.top <= top && top < one.top + one.height);
export const nearestRow = (row) => lines[Math.max(0, Math.min(lines.length - 1, row))];
const rowOfNote = (note) => rowOf(note[3], store.view.tracks[note[0]].drum);

// Steps of a drawn note at least: a quarter of a beat.
export const grain = () => Math.max(1, Math.floor(store.view.unit / 4));

function draw() {
  const { view } = store;
  lines = rows();
  const room = Math.max(160, score.clientHeight - document.getElementById("plan").offsetHeight - 1);
  const width = score.clientWidth;
  tall = Math.max(room, placeRows(lines, room));
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
  drawGrid(width);
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
  const { drag } = gesture;
  if (drag?.kind === "draw") drawBox(drag.row, drag.from, drag.to, colours(view.tracks)[store.track], true);
  drawCursor();
  pen.fillStyle = css("--accent");
  pen.fillRect(x(store.step) - 0.75, 0, 1.75, tall);
  pen.restore();
  drawKeys();
}

function drawGrid(width) {
  const { view } = store;
  const [thin, thick] = [css("--line"), css("--strong")];
  lines.forEach((one, row) => {
    if (one.drum ? row % 2 : isBlack(one.pitch)) {
      pen.fillStyle = css("--black-key");
      pen.fillRect(0, one.top, width, one.height);
    }
    if (!one.drum && one.pitch % 12 === 0) stroke(0, one.top + one.height, width, one.top + one.height, thin);
    if (one.drum && !lines[row - 1]?.drum) stroke(0, one.top, width, one.top, thick);
  });
  const first = Math.max(0, Math.floor(score.scrollLeft / (stepWidth() * view.unit)));
  for (let beat = first; beat <= view.bars * view.beats; beat++) {
    const at = x(beat * view.unit);
    if (at > width) break;
    if (at >= head()) stroke(at, 0, at, tall, beat % view.beats ? thin : thick);
  }
}

function stroke(x1, y1, x2, y2, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(Math.round(x1) + 0.5, Math.round(y1) - 0.5);
  pen.lineTo(Math.round(x2) + (x1 === x2 ? 0.5 : 0), Math.round(y2) - 0.5);
  pen.stroke();
}

// Locks of the active track lie as stripes over its beats; those of other tracks show in the plan.
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
    pen.rect(left, 0, width, tall);
    pen.clip();
    pen.beginPath();
    for (let at = -tall; at < width; at += 12) {
      pen.moveTo(left + at, tall);
      pen.lineTo(left + at + tall, 0);
    }
    pen.globalAlpha = 0.35;
    pen.stroke();
    pen.restore();
  });
}

function drawNotes() {
  const { drag } = gesture;
  const palette = colours(store.view.tracks);
  const order = [...notes()].sort((a, b) => (a[0] === store.track) - (b[0] === store.track));
  for (const note of order) {
    const moved = drag?.kind === "move" && store.chosen.has(keyOf(note));
    const [shift, up, longer] = moved ? [drag.steps, drag.semitones, drag.longer] : [0, 0, 0];
    const row = rowOfNote([note[0], 0, 0, note[3] + up]);
    if (row < 0) continue;
    const begin = note[1] + shift;
    drawBox(row, begin, begin + Math.max(1, note[2] + longer), palette[note[0]], note[0] === store.track, note);
  }
}

function drawBox(row, from, to, colour, isActive, note = null) {
  const left = x(from);
  const { drum, top, height, pitch } = lines[row];
  const wide = drum ? Math.max(4, Math.min(height - 2, stepWidth() * 2)) : Math.max(2, (to - from) * stepWidth() - 1);
  if (left > canvas.clientWidth || left + wide < head()) return;
  pen.globalAlpha = isActive ? 1 : 0.6;
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(left, top + 1, wide, Math.max(3, height - 2), Math.min(4, height / 4));
  pen.fill();
  pen.globalAlpha = 1;
  if (note?.[4]) {
    // The user's: an outline.
    pen.strokeStyle = css("--ink");
    pen.lineWidth = 2;
    pen.stroke();
  }
  if (note && store.chosen.has(keyOf(note))) {
    pen.strokeStyle = css("--accent");
    pen.lineWidth = 3;
    pen.stroke();
  }
  if (isActive && !drum && height >= 13 && wide >= 26) {
    pen.fillStyle = css("--on-accent");
    pen.font = "600 10.5px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.fillText(noteName(pitch), Math.max(left, head()) + 5, top + height / 2 + 0.5);
  }
}

function drawCursor() {
  if (document.activeElement !== canvas && !store.record) return;
  const row = rowOf(store.cursor.pitch, store.view.tracks[store.track].drum);
  const left = x(store.cursor.step);
  if (store.record) {
    pen.fillStyle = css("--warn");
    pen.fillRect(left - 1, 0, 2, tall);
  }
  if (row < 0) return;
  pen.strokeStyle = css("--accent");
  pen.lineWidth = 2;
  pen.strokeRect(left, lines[row].top, stepWidth() * grain(), lines[row].height);
}

// The piano at the left, and the names of drums. A pressed key is coloured.
function drawKeys() {
  const right = head();
  pen.fillStyle = css("--paper");
  pen.fillRect(0, 0, right, tall);
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  const pitched = lines.filter((one) => !one.drum);
  if (pitched.length) {
    pen.fillStyle = css("--card");
    pen.fillRect(right - KEY, 0, KEY, pitched.at(-1).top + pitched.at(-1).height);
  }
  for (const one of lines) {
    const black = !one.drum && isBlack(one.pitch);
    const pressed = gesture.key && gesture.key.pitch === one.pitch && gesture.key.drum === one.drum;
    if (pressed || black) {
      pen.fillStyle = pressed ? css("--accent") : css("--key");
      pen.fillRect(right - KEY, one.top + 0.5, black ? KEY * 0.58 : KEY, one.height - 0.5);
    }
    if (!one.drum && [0, 5].includes(one.pitch % 12)) stroke(right - KEY, one.top + one.height, right, one.top + one.height, css("--line"));
    const named = one.drum || one.pitch % 12 === 0 || (one.height >= 13 && !black);
    if (!named) continue;
    pen.fillStyle = pressed ? css("--on-accent") : css("--quiet");
    pen.font = `${one.pitch % 12 === 0 && !one.drum ? "600 " : ""}${one.drum ? 10 : 10.5}px system-ui, sans-serif`;
    pen.fillText(one.drum ? nameOfDrum(one.pitch) : noteName(one.pitch), right - 5, one.top + one.height / 2 + 0.5);
  }
  stroke(right, 0, right, tall, css("--strong"));
}

const nameOfDrum = (pitch) => nameOf(store.view.tracks.findIndex((track) => track.drum), pitch);

// Keep a step in sight.
export function follow(step = store.step) {
  const at = x(step);
  if (at > score.clientWidth - 40 || at < head()) score.scrollLeft = Math.max(0, step * stepWidth() - 60);
}

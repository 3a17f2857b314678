// Where steps, beats and pitches lie on the page, in CSS pixels, and what they are called.

import { notes, store } from "./store.js";

const DRUMS = [36, 38, 42, 46, 49];
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const LETTERS = "CDEFGAB";
const NATURAL = [0, 2, 4, 5, 7, 9, 11];
const STEPS = [0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6]; // letters from the root, by semitones
const DRUM_NAMES = { 35: "kick", 36: "kick", 37: "stick", 38: "snare", 39: "clap", 40: "snare", 41: "tom", 42: "hat",
  43: "tom", 44: "pedal", 45: "tom", 46: "open", 47: "tom", 48: "tom", 49: "crash", 50: "tom", 51: "ride", 53: "bell" };

export const head = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--head"));
export const stepWidth = () => store.barWidth / store.view.steps;
export const isBlack = (pitch) => [1, 3, 6, 8, 10].includes(pitch % 12);
export const noteName = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
export const className = (pitch) => NAMES[((pitch % 12) + 12) % 12];
export const nameOf = (track, pitch) =>
  store.view.tracks[track].drum ? DRUM_NAMES[pitch] ?? `drum ${pitch}` : noteName(pitch);
export const place = (step) => {
  const { steps, unit } = store.view;
  return `${Math.floor(step / steps) + 1}.${Math.floor((step % steps) / unit) + 1}`;
};
export const beatName = (beat) => `bar ${Math.floor(beat / store.view.beats) + 1}, beat ${(beat % store.view.beats) + 1}`;

const signs = (text) => text.replace(/#/g, "♯").replace(/^([A-G])b|([A-G])b$/g, "$1$2♭");

// A chord's name as it is printed: E7/Ab becomes E7/G♯.
export function chordText(name) {
  const found = name.match(/^([A-G])([#b]?)([^/{]*)(?:\/([A-G])([#b]?))?$/);
  if (!found) return name;
  const [, letter, accidental, kind, low, lowAccidental] = found;
  const number = (one, sign) => (NATURAL[LETTERS.indexOf(one)] + (sign === "#" ? 1 : sign === "b" ? 11 : 0)) % 12;
  // Minor and diminished chords on black keys are written with sharps, but for B♭ and E♭.
  const sharp = /^(m(?!aj)|dim)/.test(kind) && { Db: "C♯", Ab: "G♯", Gb: "F♯" }[letter + accidental];
  const root = sharp && !low ? sharp : signs(letter + accidental);
  const printed = root + kind.replace("b5", "♭5");
  if (!low) return printed;
  const bass = number(low, lowAccidental);
  const place = (LETTERS.indexOf(letter) + STEPS[(bass - number(letter, accidental) + 12) % 12]) % 7;
  const bent = ((bass - NATURAL[place] + 18) % 12) - 6;
  const spelled = Math.abs(bent) > 1 ? signs(low + lowAccidental) : LETTERS[place] + ["♭", "", "♯"][bent + 1];
  return `${printed}/${spelled}`;
}

// Fit the bars into the page, unless the user chose a width.
export function fit() {
  if (store.zoomed || !store.view) return;
  const few = innerWidth < 700 ? 2 : 8;
  const width = document.getElementById("score").clientWidth - head() - 4;
  store.barWidth = Math.max(110, Math.min(420, width / Math.min(store.view.bars, few)));
}

// Rows from top to bottom: pitches of pitched tracks, then drums. Each is { drum, pitch }.
export function rows() {
  const { tracks } = store.view;
  const all = notes();
  const pitched = all.filter((note) => !tracks[note[0]].drum).map((note) => note[3]);
  const list = [];
  const ranges = tracks.filter((track) => !track.drum);
  if (ranges.length) {
    const lowest = Math.min(...ranges.map((track) => track.low));
    const highest = Math.max(...ranges.map((track) => track.high));
    let low = Math.max(lowest, Math.min(52, ...pitched) - 2);
    let high = Math.min(highest, Math.max(76, ...pitched) + 2);
    if (low > high) [low, high] = [lowest, highest];
    for (let pitch = high; pitch >= low; pitch--) list.push({ drum: false, pitch });
  }
  const drums = tracks.findIndex((track) => track.drum);
  if (drums >= 0) {
    const { low, high } = tracks[drums];
    const used = new Set([...DRUMS, ...all.filter((note) => tracks[note[0]].drum).map((note) => note[3])]);
    for (const pitch of [...used].filter((one) => one >= low && one <= high).sort((a, b) => b - a))
      list.push({ drum: true, pitch });
  }
  return list;
}

// Give each row its top and height, so that all fit into the room where that leaves them readable.
export function placeRows(list, room) {
  const drums = list.filter((line) => line.drum).length;
  const drum = drums ? Math.max(11, Math.min(16, (0.3 * room) / drums)) : 0;
  const pitched = Math.max(4.5, Math.min(18, (room - drums * drum) / Math.max(1, list.length - drums)));
  let top = 0;
  for (const line of list) {
    Object.assign(line, { top, height: line.drum ? drum : pitched });
    top += line.height;
  }
  return top;
}

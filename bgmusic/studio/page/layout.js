// Where steps, beats and pitches lie on the page, in CSS pixels.

import { notes, store } from "./store.js";

const DRUMS = [36, 38, 42, 46, 49];
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
export const DRUM_NAMES = { 35: "kick", 36: "kick", 37: "stick", 38: "snare", 39: "clap", 40: "snare", 41: "tom", 42: "hat",
  43: "tom", 44: "pedal", 45: "tom", 46: "open", 47: "tom", 48: "tom", 49: "crash", 50: "tom", 51: "ride", 53: "bell" };

export const head = () => parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--head"));
export const stepWidth = () => store.barWidth / store.view.steps;
export const noteName = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
export const className = (pitch) => NAMES[((pitch % 12) + 12) % 12];
export const nameOf = (track, pitch) =>
  store.view.tracks[track].drum ? DRUM_NAMES[pitch] ?? `drum ${pitch}` : noteName(pitch);
export const place = (step) => {
  const { steps, unit } = store.view;
  return `${Math.floor(step / steps) + 1}.${Math.floor((step % steps) / unit) + 1}`;
};

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

export function rowHeight(count, room) {
  return Math.max(6, Math.min(18, Math.floor(room / count)));
}

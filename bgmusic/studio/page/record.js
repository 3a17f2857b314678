// Play notes in: by the computer's keys, a MIDI keyboard, or the piano at the left of the roll.
// While the piece plays, notes are recorded where they are heard; otherwise they are entered at the cursor, beat by beat.

import { sound } from "./player.js";
import { follow, grain } from "./roll.js";
import { changed, edit, say, steps, store } from "./store.js";

const PIANO = "awsedftgyhujk"; // from C
const held = new Map(); // pitch: the step where it was pressed while playing, or null
let octave = 60;
let entered = []; // pitches of the chord that is entered at the cursor
let midi;

export function toggle() {
  store.record = !store.record;
  if (store.record) {
    const { low, high } = store.view.tracks[store.track];
    octave = 12 * Math.round((low + high) / 24);
    store.cursor.step = Math.min(Math.floor(store.step / grain()) * grain(), steps() - grain());
    say("Play in: keys A to K are a piano, Z and X shift it by an octave; notes are entered at the red line. r ends it.");
    listen();
  } else say("");
  changed("playing");
}

// Handle a key of the computer; return whether it was one of the piano's.
export function key(event, isDown) {
  if (!store.record) return false;
  const name = event.key.toLowerCase();
  const place = PIANO.indexOf(name);
  if (name.length === 1 && place >= 0) {
    if (isDown && !event.repeat) press(octave + place);
    if (!isDown) release(octave + place);
    return true;
  }
  if (isDown && (name === "z" || name === "x")) {
    octave = Math.max(12, Math.min(108, octave + (name === "z" ? -12 : 12)));
    say(`Octave of C${octave / 12 - 1}`);
    return true;
  }
  return false;
}

export function press(pitch) {
  const track = store.view.tracks[store.track];
  if (held.has(pitch)) return;
  if (pitch < track.low || pitch > track.high) {
    if (store.record) say(`${track.name} does not play this: choose another track by [ and ]`, true);
    return;
  }
  sound(store.track, pitch, true);
  if (!store.record) held.set(pitch, null);
  else held.set(pitch, store.playing ? Math.round(store.step / grain()) * grain() : null);
  if (store.record && !store.playing) entered.push(pitch);
}

export async function release(pitch) {
  if (!held.has(pitch)) return;
  const from = held.get(pitch);
  held.delete(pitch);
  const { track } = store;
  sound(track, pitch, false);
  if (!store.record) return;
  if (from !== null) {
    const to = Math.round(store.step / grain()) * grain();
    const begin = Math.min(from, steps() - grain());
    await edit({ do: "add", notes: [[track, begin, Math.max(grain(), to - begin), pitch]] });
  } else if (!held.size && entered.length) {
    const chord = entered;
    entered = [];
    const { step } = store.cursor;
    const length = Math.min(store.view.unit, steps() - step);
    if (await edit({ do: "add", notes: chord.map((one) => [track, step, length, one]) })) {
      store.cursor.step = Math.min(step + length, steps() - grain());
      follow(store.cursor.step);
      changed("selection");
    }
  }
}

async function listen() {
  midi ??= navigator.requestMIDIAccess?.().catch(() => null);
  const access = await midi;
  for (const input of access?.inputs.values() ?? []) {
    input.onmidimessage = ({ data: [status, pitch, velocity] }) => {
      if (!store.record) return;
      if ((status & 0xf0) === 0x90 && velocity) press(pitch);
      else if ((status & 0xe0) === 0x80) release(pitch);
    };
  }
}

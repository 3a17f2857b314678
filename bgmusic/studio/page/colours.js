// Colours of tracks that colour-blind people can tell apart (Okabe and Ito, 2008), for light and dark pages.

const LIGHT = ["#5a5a5a", "#0072b2", "#d55e00", "#00795a", "#a8437f", "#8a6d00", "#2a7fb8", "#6a4fb3"];
const DARK = ["#b9b9b9", "#56b4e9", "#ff8a3d", "#2fc79b", "#e79ac4", "#f0c419", "#8fd0f5", "#b7a2f2"];

export const isDark = () => document.documentElement.dataset.theme === "dark";

// Drums are grey; the other tracks take the colours in order.
export function colours(tracks) {
  const palette = isDark() ? DARK : LIGHT;
  let next = 0;
  return tracks.map((track) => (track.drum ? palette[0] : palette[1 + (next++ % (palette.length - 1))]));
}

export function theme(name) {
  document.documentElement.dataset.theme = name;
  document.documentElement.style.colorScheme = name; // scroll bars, checkboxes
}

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

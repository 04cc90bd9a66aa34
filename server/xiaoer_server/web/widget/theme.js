/** Readable text on any brand colour: WCAG contrast of at least 4.5. */

const LIGHT = [255, 255, 255];
const DARK = [20, 24, 22];

function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** `colour` moved towards `goal` until it is readable on `ground`; all [red, green, blue]. */
export function readable(colour, ground, goal) {
  for (let part = 0; part < 1; part += 0.05) {
    const mixed = colour.map((value, at) => Math.round(value + (goal[at] - value) * part));
    if (contrast(mixed, ground) >= 4.6) return mixed;
  }
  return goal;
}

/** Sets --accent to fill with, --on-accent to write on it, --accent-text-light and -dark to write with. */
export function paint(host, colour) {
  host.style.color = "";
  host.style.color = colour || "#1f6f54";
  const rgb = (getComputedStyle(host).color.match(/[\d.]+/g) ?? [31, 111, 84]).slice(0, 3).map(Number);
  host.style.color = "";
  const white = contrast(rgb, LIGHT) >= 3;
  const fill = white ? readable(rgb, LIGHT, DARK) : rgb;
  const set = (name, value) => host.style.setProperty(name, `rgb(${value.join(" ")})`);
  set("--accent", fill);
  set("--on-accent", white ? LIGHT : DARK);
  set("--accent-text-light", readable(fill, [238, 241, 239], DARK));
  set("--accent-text-dark", readable(fill, [42, 48, 45], LIGHT));
}

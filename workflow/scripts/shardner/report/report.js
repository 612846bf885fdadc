"use strict";
// Sorts, filters and saves tables, saves plots, and opens details for print. Without it the page is the same to read.
// Runs by its hash in the page's policy; reads and moves cells, and never makes markup out of text.

const shown = (cell) => {
  const text = cell.textContent.trim();
  return cell.dataset.v ?? (/^[+-]?[\d,]+(\.\d+)?$/.test(text) ? text.replace(/,/g, "") : text);  // 1,234 is a number
};
const value = (cell) => { const number = parseFloat(shown(cell)); return Number.isNaN(number) ? -Infinity : number; };
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

function sortBy(table, column) {
  const headers = [...table.tHead.rows[0].cells], head = headers[column], body = table.tBodies[0];
  const numbers = head.classList.contains("num") || table.classList.contains("nums");
  const before = head.getAttribute("aria-sort");
  const down = before ? before === "ascending" : numbers;  // numbers: the largest first
  const rows = [...body.rows].map((row) => [numbers ? value(row.cells[column]) : shown(row.cells[column]), row]);
  const compare = numbers ? (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) : (a, b) => a[0].localeCompare(b[0]);
  rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
  headers.forEach((each) => each.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.replaceChildren(...rows.map((each) => each[1]));
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.querySelector(".hidden")) return;
    const button = make("button", { type: "button", className: "sort" });
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, column));
    head.append(button);
  });
}

function conditions(text, headers) {
  return text.split(",").map((part) => part.trim()).filter(Boolean).map((part) => {
    const range = /^(\d+)(?:\s*[-–]\s*(\d+))?$/.exec(part);
    if (range) {
      const low = +range[1], high = +(range[2] ?? range[1]);
      return { of: 0, holds: (number) => low <= number && number <= high };
    }
    const limit = /^(.+?)\s*([<>])\s*([\d.]+)$/.exec(part);
    const column = limit ? headers.findIndex((name) => name.startsWith(limit[1].toLowerCase())) : -1;
    if (column < 0) return null;
    const bound = parseFloat(limit[3]);
    return { of: column, holds: limit[2] === "<" ? (number) => number < bound : (number) => number > bound, and: true };
  });
}

function makeFilter(table) {
  const headers = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim().toLowerCase());
  const field = make("input", { type: "search", placeholder: "7, 40-52, time > 60", autocomplete: "off" });
  const label = make("label", { textContent: "Show only " }), status = make("output", { className: "soft" });
  label.append(field);
  field.addEventListener("input", () => {
    const wanted = conditions(field.value, headers), rows = [...table.tBodies[0].rows];
    if (wanted.includes(null)) { status.textContent = "numbers, ranges, or a column’s name < or > a number"; return; }
    const places = wanted.filter((each) => !each.and), limits = wanted.filter((each) => each.and);
    const met = (row) => (each) => each.holds(value(row.cells[each.of]));
    let left = 0;
    for (const row of rows) {
      row.hidden = !((!places.length || places.some(met(row))) && limits.every(met(row)));
      left += !row.hidden;
    }
    status.textContent = wanted.length ? `${left.toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "";
  });
  return [label, status];
}

function makeSave(table) {
  // a text that a spreadsheet would run as a formula gets an apostrophe before it
  const inert = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const button = make("button", { type: "button", className: "save", textContent: "Save as CSV" });
  button.addEventListener("click", () => {
    const rows = [...table.rows].filter((row) => !row.hidden);
    const line = (row) => [...row.cells].filter((cell) => !cell.querySelector(".bar, .box, .hidden"))
      .map((cell) => quote(inert(cell.dataset.unit ? `${cell.textContent.trim()} (${cell.dataset.unit})` : shown(cell)))).join(",");
    save(new Blob([rows.map(line).join("\n") + "\n"], { type: "text/csv" }), `${table.dataset.name}.csv`);
  });
  return button;
}

function save(blob, name) {
  const link = make("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  URL.revokeObjectURL(link.href);
}

// A click on a label shows the entities of that label alone; another click shows all again.
function makeChooser(table, target) {
  const status = make("output", { className: "soft" });
  const buttons = [...table.tBodies[0].rows].map((row) => {
    const cell = row.cells[0], button = make("button", { type: "button", className: "choose" });
    button.setAttribute("aria-pressed", "false");
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") === "false";
      buttons.forEach((each) => each.setAttribute("aria-pressed", String(on && each === button)));
      let left = 0;
      for (const other of target.tBodies[0].rows) {
        other.hidden = on && other.dataset.label !== row.dataset.label;
        left += !other.hidden;
      }
      status.textContent = on ? `${left.toLocaleString("en")} of ${row.dataset.label}` : "";
    });
    return button;
  });
  return status;
}

// The drawing as a file of its own: the page's colours are written into it.
function asFile(svg) {
  const style = getComputedStyle(document.documentElement);
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", svg.namespaceURI);
  copy.setAttribute("font-family", "sans-serif");
  const back = document.createElementNS(svg.namespaceURI, "rect");
  for (const [key, each] of Object.entries({ width: "100%", height: "100%", fill: "var(--paper)" })) back.setAttribute(key, each);
  copy.prepend(back);
  return copy.outerHTML.replace(/&nbsp;/g, "\u00a0").replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
}

function makePlotTools(plot, number) {
  const drawn = () => [...plot.querySelectorAll("svg")].find((each) => each.getClientRects().length) ?? plot.querySelector("svg");
  const name = () => `${drawn().getAttribute("aria-label").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || `plot-${number}`}`;
  const asSvg = make("button", { type: "button", className: "save", textContent: "Save as SVG" });
  asSvg.addEventListener("click", () => save(new Blob([asFile(drawn())], { type: "image/svg+xml" }), `${name()}.svg`));
  const asPng = make("button", { type: "button", className: "save", textContent: "Save as PNG" });
  asPng.addEventListener("click", () => {
    const svg = drawn(), box = svg.viewBox.baseVal, image = new Image();
    image.addEventListener("load", () => {
      const canvas = make("canvas", { width: 2 * box.width, height: 2 * box.height });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, `${name()}.png`), "image/png");
    });
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(asFile(svg))}`;
  });
  return [asSvg, asPng];
}

for (const table of document.querySelectorAll("table[data-name]")) {
  makeSortable(table);
  const filter = table.hasAttribute("data-filter") ? makeFilter(table) : [], place = table.parentElement;
  if (filter.length) { const above = make("p", { className: "tools" }); above.append(...filter); place.before(above); }
  const below = make("p", { className: "tools" });
  below.append(makeSave(table));
  place.after(below);
}
for (const table of document.querySelectorAll("table[data-chooses]")) {
  const target = document.querySelector(`table[data-name="${table.dataset.chooses}"]`);
  const above = make("p", { className: "tools" });
  above.append(makeChooser(table, target));
  target.parentElement.before(above);
}
document.querySelectorAll(".plot").forEach((plot, number) => {
  const below = make("p", { className: "tools" });
  below.append(...makePlotTools(plot, number));
  plot.after(below);
});
// on paper nothing can be opened
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((each) => { each.open = true; });
});
addEventListener("afterprint", () => closed.forEach((each) => { each.open = false; }));

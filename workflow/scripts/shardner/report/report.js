"use strict";
// Sorts, filters and saves the tables of numbers. Without it they are tables all the same.
// Runs by its hash in the page's policy; reads and moves cells, and never makes markup out of text.

const shown = (cell) => cell.dataset.v ?? cell.textContent.trim().replace(/,/g, "");
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
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const button = make("button", { type: "button", className: "save", textContent: "Save as CSV" });
  button.addEventListener("click", () => {
    const rows = [...table.rows].filter((row) => !row.hidden);
    const line = (row) => [...row.cells].filter((cell) => !cell.querySelector(".bar, .box, .hidden"))
      .map((cell) => quote((cell.dataset.unit ? `${cell.textContent.trim()} (${cell.dataset.unit})` : shown(cell)))).join(",");
    const link = make("a", { download: `${table.dataset.name}.csv` });
    link.href = URL.createObjectURL(new Blob([rows.map(line).join("\n") + "\n"], { type: "text/csv" }));
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return button;
}

for (const table of document.querySelectorAll("table[data-name]")) {
  makeSortable(table);
  const filter = table.hasAttribute("data-filter") ? makeFilter(table) : [], place = table.parentElement;
  if (filter.length) { const above = make("p", { className: "tools" }); above.append(...filter); place.before(above); }
  const below = make("p", { className: "tools" });
  below.append(makeSave(table));
  place.after(below);
}

// Tables come to life when they are scrolled near, the others when the browser has nothing else to do.

const columns = Array.from(document.querySelectorAll("section.column"), (section) => new Column(section));

function start(column) {
  column.started ??= column.start().catch((error) => {
    column.section.querySelector(".card").replaceChildren(el("p", { class: "muted" }, "This map could not be read: " + error.message));
    console.error(error);
  });
  return column.started;
}

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    start(columns.find((column) => column.section === entry.target));
  }
}, { rootMargin: "400px" });
for (const column of columns) watcher.observe(column.section);

const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(work, 200));
const startNext = () => {
  const column = columns.find((one) => !one.started);
  if (column) start(column).then(() => whenIdle(startNext));
};
addEventListener("load", () => whenIdle(startNext));

const repaint = () => columns.forEach((column) => column.section.dataset.ready && column.recolour());
darkQuery.addEventListener("change", repaint);
printQuery.addEventListener("change", repaint);

// For whoever opens the console: plectrum.columns[0].view.draw()
window.plectrum = { columns };

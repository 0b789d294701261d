(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const tone = (each) => colour(`tone-${each.tone}`);
  const NARROW = 480;

  const shapes = {
    line: { paths: uPlot.paths.linear(), points: { show: false } },
    dotted: { paths: uPlot.paths.linear(), points: { show: true, size: 6, space: 0 } },
    dots: { paths: () => null, points: { show: true, size: 6, space: 0 } },
    steps: { paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
    area: { paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
  };

  // The band between two edges, in runs without a gap; steps hold until the next place.
  const shadeBands = (u, chart) => {
    const { ctx } = u;
    const x = (i) => u.valToPos(chart.x.values[i], "x", true);
    const y = (value) => u.valToPos(value, "y", true);
    for (const line of chart.lines) {
      if (!line.low) continue;
      const steps = line.shape === "steps" || line.shape === "area";
      ctx.save();
      ctx.globalAlpha = 0.22;
      ctx.fillStyle = tone(line);
      let run = [];
      const close = () => {
        if (run.length > 1) {
          ctx.beginPath();
          run.forEach((i, at) => {
            if (steps && at > 0) ctx.lineTo(x(i), y(line.high[run[at - 1]]));
            ctx.lineTo(x(i), y(line.high[i]));
          });
          [...run].reverse().forEach((i, at, back) => {
            if (steps && at > 0) ctx.lineTo(x(back[at - 1]), y(line.low[i]));
            ctx.lineTo(x(i), y(line.low[i]));
          });
          ctx.fill();
        }
        run = [];
      };
      line.low.forEach((low, i) => {
        if (low === null || line.high[i] === null) close();
        else run.push(i);
      });
      close();
      ctx.restore();
    }
  };

  const drawMarks = (u, chart) => {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([5 * ratio, 4 * ratio]);
    for (const mark of chart.marks) {
      ctx.strokeStyle = ctx.fillStyle = tone(mark);
      ctx.beginPath();
      if (mark.across) {
        const y = u.valToPos(mark.at, "y", true);
        ctx.moveTo(left, y);
        ctx.lineTo(left + width, y);
        ctx.textAlign = "right";
        ctx.textBaseline = "bottom";
        ctx.fillText(mark.label, left + width - 4 * ratio, y - 3 * ratio);
      } else {
        const x = u.valToPos(mark.at, "x", true);
        const turned = x + 6 * ratio + ctx.measureText(mark.label).width > left + width;
        ctx.moveTo(x, top);
        ctx.lineTo(x, top + height);
        ctx.textAlign = turned ? "right" : "left";
        ctx.textBaseline = "top";
        ctx.fillText(mark.label, x + (turned ? -5 : 5) * ratio, top + 4 * ratio);
      }
      ctx.stroke();
    }
    ctx.restore();
  };

  const axis = (of, more) => ({
    stroke: () => colour("muted"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { stroke: () => colour("line-strong"), width: 1, size: 5 },
    splits: () => of.ticks,
    filter: (u, at) => at,
    ...more,
  });

  const options = (chart, width) => ({
    width,
    height: chart.low ? 230 : 340,
    series: [
      { label: "At", value: (u, v, s, i) => (i == null ? "–" : chart.x.texts[i]) },
      ...chart.lines.map((line) => ({
        ...shapes[line.shape],
        label: line.label,
        width: line.shape === "dots" ? 0 : 2,
        dash: line.dashed ? [6, 4] : undefined,
        stroke: () => tone(line),
        fill: line.shape === "area" ? () => `${tone(line)}66` : undefined,
        fillTo: chart.y.low,
        points: { ...shapes[line.shape].points, fill: () => tone(line), stroke: () => tone(line) },
        value: (u, v, s, i) => (i == null ? "–" : line.texts[i]),
      })),
    ],
    scales: {
      x: { time: false, range: () => [chart.x.low, chart.x.high] },
      y: {
        distr: chart.y.log ? 3 : 1,
        range: () => [chart.y.low, chart.y.high],
      },
    },
    axes: [
      axis(chart.x, {
        size: 30,
        label: chart.x.label,
        labelSize: 20,
        labelGap: 2,
        labelFont: "12px system-ui, sans-serif",
        grid: { show: false },
        values: (u) => {
          const every = u.width < NARROW && chart.x.labels.length > 4 ? 2 : 1;
          return chart.x.labels.map((text, i) => (i % every ? "" : text));
        },
      }),
      axis(chart.y, { size: 52, ticks: { show: false }, values: () => chart.y.labels }),
    ],
    legend: {
      markers: { width: 0, fill: (u, i) => (i ? tone(chart.lines[i - 1]) : "transparent") },
    },
    cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
    hooks: {
      ready: [(u) => u.root.classList.add("idle")],
      setLegend: [(u) => u.root.classList.toggle("idle", u.cursor.idx == null)],
      drawAxes: [(u) => shadeBands(u, chart)],
      draw: [(u) => drawMarks(u, chart)],
    },
  });

  const plots = [];
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const chart = charts[figure.dataset.chart];
    const room = figure.querySelector(".plot");
    const columns = [chart.x.values, ...chart.lines.map((line) => line.values)];
    figure.classList.add("live");
    const plot = new uPlot(options(chart, Math.max(1, room.clientWidth)), columns, room);
    new ResizeObserver(() => {
      if (room.clientWidth > 0 && room.clientWidth !== plot.width) {
        plot.setSize({ width: room.clientWidth, height: plot.height });
      }
    }).observe(room);
    plots.push(plot);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of plots) plot.redraw(false, true);
  });

  const keyOf = (row, place) => {
    const cell = row.cells[place];
    return cell.dataset.sort === undefined ? cell.textContent : Number(cell.dataset.sort);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? a - b
      : String(a).localeCompare(String(b), "en", { numeric: true });
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") !== "ascending";
        for (const each of heads) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((a, b) => compare(keyOf(a, place), keyOf(b, place)));
        body.append(...(rising ? rows : rows.reverse()));
      });
    });
  }
  for (const table of document.querySelectorAll("table[data-filterable]")) {
    const label = document.createElement("label");
    label.className = "filter";
    const field = document.createElement("input");
    field.type = "search";
    const shown = document.createElement("span");
    shown.setAttribute("aria-live", "polite");
    label.append("Only rows with", field, shown);
    table.parentElement.before(label);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...table.tBodies[0].rows];
      for (const row of rows) {
        const cells = [...row.cells].map((cell) => cell.textContent.toLowerCase());
        row.hidden = !words.every((word) => cells.some((cell) => cell.includes(word)));
      }
      shown.textContent = words.length
        ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`
        : "";
    });
  }
})();

(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("series").textContent);
  const colour = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const grouped = (value, places = 0) =>
    value.toFixed(places).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, "\u202f");
  const clock = (seconds) => {
    const us = Math.round(seconds * 1e6);
    const whole = Math.floor(us / 1e6);
    const part = us % 1e6;
    const two = (value) => String(value).padStart(2, "0");
    const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
    return part ? `${text}.${String(part).padStart(6, "0").replace(/0+$/, "")}` : text;
  };
  const bins = data.start.length - 1;
  const span = (i) => (i < bins ? `${clock(data.start[i])}–${clock(data.start[i + 1])}` : "–");
  // A step holds its value until the next instant: the last one again at the end of the run.
  const held = (column) => [...column, column[column.length - 1]];
  const steps = uPlot.paths.stepped({ align: 1 });
  const bars = uPlot.paths.bars({ align: 1, size: [1, Infinity], gap: 0 });
  const increments = [
    ...[1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1].flatMap((unit) => [unit, 2 * unit, 5 * unit]),
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10800, 14400, 21600, 43200, 86400, 172800, 432000, 864000,
  ];

  const shadeWarmUp = (u) => {
    if (data.warm_up <= 0) return;
    const { left, top, width, height } = u.bbox;
    const right = Math.min(u.valToPos(data.warm_up, "x", true), left + width);
    if (right <= left) return;
    u.ctx.save();
    u.ctx.fillStyle = colour("warm-up");
    u.ctx.fillRect(left, top, right - left, height);
    u.ctx.restore();
  };
  const axis = (more) => ({
    stroke: () => colour("muted"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { stroke: () => colour("line-strong"), width: 1, size: 5 },
    ...more,
  });
  const options = (height, top, series) => ({
    width: 600,
    height,
    series: [{ label: "Time", value: (u, v, s, i) => (i == null ? "–" : span(i)) }, ...series],
    scales: { x: { time: false }, y: { range: (u, low, high) => [0, top(high)] } },
    axes: [
      axis({ incrs: increments, space: 76, size: 32, values: (u, at) => at.map(clock), grid: { show: false } }),
      axis({
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7],
        size: 52,
        space: 44,
        ticks: { show: false },
        values: (u, at) => at.map((value) => grouped(value)),
      }),
    ],
    legend: {
      markers: { width: 0, fill: (u, i) => (u.series[i].swatch ?? (() => ""))() },
    },
    cursor: { sync: { key: "run" }, y: false, points: { show: false } },
    hooks: { drawClear: [shadeWarmUp] },
  });
  const shown = (column, places) => (u, v, s, i) =>
    i == null || i >= bins ? "–" : grouped(column[i], places);

  const slots = () => {
    const top = Math.max(1, ...data.limit, ...data.max);
    const series = [
      {
        label: "Mean in use", paths: steps, points: { show: false }, width: 0,
        fill: () => colour("mean"), stroke: () => colour("mean"), swatch: () => colour("mean"),
        value: shown(data.mean, 1),
      },
      {
        label: "Largest in use", paths: steps, points: { show: false }, width: 1.25,
        stroke: () => colour("use"), swatch: () => colour("use"), value: shown(data.max),
      },
      {
        label: "Limit", paths: steps, points: { show: false }, width: 1.5, dash: [6, 4],
        stroke: () => colour("limit"), swatch: () => colour("limit"), value: shown(data.limit),
      },
    ];
    const columns = [data.start, held(data.mean), held(data.max), held(data.limit)];
    return [options(330, () => top + Math.max(1, top / 16), series), columns];
  };
  const names = {
    capacity: ["No slot free", "capacity"],
    tenant_not_configured: ["Tenant not configured", "tenant"],
    instructions_missing: ["Instructions missing", "instructions"],
  };
  const rejections = () => {
    const reasons = Object.keys(data.rejections);
    const below = data.start.map(() => 0);
    const stacked = reasons.map((reason) =>
      held(data.rejections[reason]).map((count, i) => {
        if (i === bins || count === 0) return null;
        return (below[i] += count);
      }),
    );
    const top = Math.max(1, ...below);
    // The tallest of the stack first: each next one covers the lower part of it.
    const order = reasons.map((_, i) => i).reverse();
    const series = order.map((i) => ({
      label: names[reasons[i]][0], paths: bars, points: { show: false }, width: 0,
      fill: () => colour(names[reasons[i]][1]), stroke: () => colour(names[reasons[i]][1]),
      swatch: () => colour(names[reasons[i]][1]), value: shown(data.rejections[reasons[i]]),
    }));
    return [
      options(220, () => top + Math.max(1, top / 16), series),
      [data.start, ...order.map((i) => stacked[i])],
    ];
  };

  const charts = { slots, rejections };
  const plots = [];
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const room = figure.querySelector(".plot");
    const [opts, columns] = charts[figure.dataset.chart]();
    const plot = new uPlot({ ...opts, width: figure.clientWidth }, columns, room);
    figure.classList.add("live");
    new ResizeObserver(() => {
      if (room.clientWidth > 0 && room.clientWidth !== plot.width) {
        plot.setSize({ width: room.clientWidth, height: opts.height });
      }
    }).observe(room);
    plots.push(plot);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of plots) plot.redraw(false, true);
  });
})();

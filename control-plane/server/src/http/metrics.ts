// Figures for a metrics collector. Labels are bounded: methods, statuses and loops, never sites or nodes.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  request(labels: { method: string; route: string; status: number }, seconds: number): void;
  text(): Promise<string>;
}

/** `gauges` are read when somebody asks. */
export function httpMetrics(
  gauges: Readonly<Record<string, () => number | Promise<number>>>,
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "drover_" });
  const requests = new Counter({
    name: "drover_http_requests_total",
    help: "Requests by route of the contract.",
    labelNames: ["method", "route", "status"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "drover_http_request_seconds",
    help: "Time to answer.",
    labelNames: ["method"],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  for (const [name, read] of Object.entries(gauges)) {
    new Gauge({
      name: `drover_${name}`,
      help: name.replaceAll("_", " "),
      registers: [registry],
      async collect() {
        this.set(await read());
      },
    });
  }
  return {
    request({ method, route, status }, took) {
      requests.inc({ method, route, status: `${Math.floor(status / 100)}xx` });
      seconds.observe({ method }, took);
    },
    text: () => registry.metrics(),
  };
}

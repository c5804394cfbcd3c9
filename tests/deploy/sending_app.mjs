// sending_app.py in another language, with Node's usual OpenTelemetry SDK.
// usage: node sending_app.mjs URL LEDGER SECONDS_AFTER_SIGTERM
import { openSync, writeSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { NodeSDK, tracing } from '@opentelemetry/sdk-node';

const [url, ledgerPath, after] = [process.argv[2], process.argv[3], Number(process.argv[4])];

// Requests that fail, which the exporter would hide by trying again.
class CountingAgent extends Agent {
  failures = 0;

  addRequest(request, ...rest) {
    request.on('error', () => { this.failures += 1; });
    super.addRequest(request, ...rest);
  }
}

class Recording {
  refused = 0;

  constructor(exporter, ledger) {
    this.exporter = exporter;
    this.ledger = ledger;
  }

  export(spans, done) {
    this.exporter.export(spans, (result) => {
      if (result.code === 0) writeSync(this.ledger, spans.map((s) => `${s.spanContext().traceId}\n`).join(''));
      else this.refused += spans.length;
      done(result);
    });
  }

  shutdown() { return this.exporter.shutdown(); }
  forceFlush() { return this.exporter.forceFlush?.(); }
}

let stopping = false;
process.on('SIGTERM', () => { stopping = true; });
const agent = new CountingAgent({ keepAlive: true });
const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces`, httpAgentOptions: () => agent });
const recording = new Recording(exporter, openSync(ledgerPath, 'a'));
const sdk = new NodeSDK({
  spanProcessors: [new tracing.SimpleSpanProcessor(recording)], autoDetectResources: false,
});
sdk.start();
const tracer = trace.getTracer('app');
for (let end; end === undefined || performance.now() < end;) {
  if (end === undefined && stopping) end = performance.now() + after * 1000;
  tracer.startSpan('work').end();
  await pause(20);
}
tracer.startSpan('the last one').end();
await sdk.shutdown();
console.log(JSON.stringify({ refused: recording.refused, connection_failures: agent.failures }));

// app.py in Node: knows nothing of spanferry but the endpoint in its environment.
import { setTimeout as pause } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { NodeSDK } from '@opentelemetry/sdk-node';

const stopping = new AbortController();
process.on('SIGTERM', () => stopping.abort());
const sdk = new NodeSDK({ traceExporter: new OTLPTraceExporter() });
sdk.start();
const tracer = trace.getTracer('app');
while (!stopping.signal.aborted) {
  await pause(1000, undefined, { signal: stopping.signal }).catch(() => {});
  tracer.startActiveSpan('answer', { attributes: { 'gen_ai.operation.name': 'invoke_agent' } }, (answer) => {
    tracer.startSpan('chat', { attributes: {
      'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 12, 'gen_ai.usage.output_tokens': 34,
    } }).end();
    answer.end();
  });
}
await sdk.shutdown();

// An application of the Vercel AI SDK with its telemetry on. OPENAI_BASE_URL is the model, OTEL_EXPORTER_OTLP_ENDPOINT
// takes the spans.
import {createOpenAI} from '@ai-sdk/openai';
import {OTLPTraceExporter} from '@opentelemetry/exporter-trace-otlp-proto';
import {resourceFromAttributes} from '@opentelemetry/resources';
import {BatchSpanProcessor} from '@opentelemetry/sdk-trace-base';
import {NodeTracerProvider} from '@opentelemetry/sdk-trace-node';
import {embed, embedMany, generateObject, generateText, stepCountIs, streamText, tool} from 'ai';
import {z} from 'zod';

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({'service.name': 'weather-bot', 'service.version': '1.2'}),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
});
provider.register();

const openai = createOpenAI({apiKey: 'none', baseURL: process.env.OPENAI_BASE_URL});
const telemetry = functionId => ({
  experimental_telemetry: {isEnabled: true, functionId, metadata: {tenant: 'acme', 'session.id': 'session-9'}},
});
const weather = tool({
  description: 'Weather of a city',
  inputSchema: z.object({city: z.string()}),
  execute: async ({city}) => ({city, celsius: 21}),
});

await provider.getTracer('weather.bot').startActiveSpan(
    'conversation', {attributes: {'session.id': 'session-9', 'user.id': 'user-joe'}}, async root => {
      await generateText({
        model: openai.chat('gpt-4o'), system: 'Be brief.', prompt: 'Wie ist das Wetter in Paris? ☀',
        tools: {get_weather: weather}, stopWhen: stepCountIs(3), ...telemetry('weather'),
      });
      const streamed = streamText({
        model: openai.chat('gpt-4o-mini'), messages: [{role: 'user', content: 'Und morgen?'}], ...telemetry('tomorrow'),
      });
      await streamed.consumeStream();
      await embed({model: openai.embedding('text-embedding-3-small'), value: 'Paris', ...telemetry('embed')});
      await embedMany({model: openai.embedding('text-embedding-3-small'), values: ['Paris', 'Rome'], ...telemetry('embed')});
      root.end();
    });
await generateText({model: openai.responses('gpt-4o-mini'), prompt: 'Alone', ...telemetry('alone')});
for (const call of [
  // The stub answers in prose, which is no object; and it has no such model.
  () => generateObject({model: openai.chat('gpt-4o'), schema: z.object({city: z.string()}), prompt: 'Where?', maxRetries: 0, ...telemetry('object')}),
  () => generateText({model: openai.chat('broken'), prompt: 'Hello?', maxRetries: 0, ...telemetry('broken')}),
]) {
  const failed = await call().then(() => false, () => true);
  if (!failed) throw new Error('the model answered');
}
await provider.shutdown();

// The official Node client, as its users use it. Prints one JSON object; a failed assertion ends with its message.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ apiKey: process.env.GATEWAY_KEY, baseURL: process.env.GATEWAY_URL, maxRetries: 0 });
const model = "sim-model";
const ask = (content) => [{ role: "user", content }];
const done = [];

async function check(name, run) {
  await run();
  done.push(name);
}

await check("chat", async () => {
  const answer = await client.chat.completions.create({ model, messages: ask("[[reply:Hello there.]]") });
  assert.equal(answer.choices[0].message.content, "Hello there.");
  assert.ok(answer.usage.total_tokens > 0);
});

await check("stream", async () => {
  const stream = await client.chat.completions.create({ model, messages: ask("[[reply:您好，欢迎。]]"), stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  assert.equal(text, "您好，欢迎。");
});

await check("tools", async () => {
  const tools = [{ type: "function", function: { name: "lookup", parameters: { type: "object" } } }];
  const runner = client.chat.completions.stream({ model, messages: ask('[[tool:lookup {"a": 1}]]'), tools });
  const [call] = (await runner.finalMessage()).tool_calls;
  assert.deepEqual(JSON.parse(call.function.arguments), { a: 1 });
});

await check("embeddings", async () => {
  const made = await client.embeddings.create({ model, input: ["one", "two"] });
  assert.equal(made.data.length, 2);
  assert.ok(made.data[0].embedding.every(Number.isFinite));
});

await check("models", async () => {
  const names = [];
  for await (const found of client.models.list()) names.push(found.id);
  assert.ok(names.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

await check("moderations", async () => {
  const judged = await client.moderations.create({ input: "good morning" });
  assert.equal(judged.results[0].flagged, false);
});

await check("errors", async () => {
  await assert.rejects(
    client.chat.completions.create({ model: "nobody", messages: ask("hi") }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found",
  );
  await assert.rejects(
    client.withOptions({ apiKey: "xk-no" }).models.list(),
    (error) => error instanceof OpenAI.AuthenticationError,
  );
});

await check("time-out", async () => {
  await assert.rejects(
    client.chat.completions.create({ model, messages: ask("[[fault:slow_first=5]]") }, { timeout: 200 }),
    (error) => error instanceof OpenAI.APIConnectionTimeoutError,
  );
});

await check("cancel", async () => {
  const stream = await client.chat.completions.create({ model, messages: ask("hi"), stream: true });
  for await (const _ of stream) break;
  assert.ok(stream.controller.signal.aborted);
});

await check("a stream that breaks off", async () => {
  const stream = await client.chat.completions.create({ model, messages: ask("[[fault:reset]]"), stream: true });
  await assert.rejects(async () => {
    for await (const _ of stream);
  });
});

console.log(JSON.stringify(done));

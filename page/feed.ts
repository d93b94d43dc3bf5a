/** What the server says, over HTTP: snapshots as server-sent events, and answers as JSON. */
import type { WatchResponse } from '../src/wire/admin-messages.ts';

/** Of this tab only; gone when it is closed. */
const TOKEN_KEY = 'sluice-token';

/** Between two snapshots. */
const INTERVAL_MS = 1_000;

/** A connection that has died unnoticed, after sleep for instance. */
const SILENCE_MS = 10_000;

/** The server has refused a request. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function hasToken(): boolean {
  return sessionStorage.getItem(TOKEN_KEY) !== null;
}

/** Empty: none. */
export function setToken(token: string): void {
  if (token === '') sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
}

/** Throws Refusal, or TypeError where nothing answers. */
export async function ask<Answer>(path: string, method: 'GET' | 'POST' = 'GET'): Promise<Answer> {
  const response = await request(path, method);
  return (await response.json()) as Answer;
}

/** Snapshots until the connection ends; then throws. */
export async function* snapshots(signal: AbortSignal): AsyncGenerator<WatchResponse, never, undefined> {
  const silence = new AbortController();
  const either = AbortSignal.any([signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const { body } = await request(`/api/watch?intervalMs=${INTERVAL_MS}`, 'GET', either);
    if (body === null) throw new Error('an answer without a body');
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error('the server ended the connection');
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      const events = (text + value).split('\n\n');
      text = events.pop() ?? '';
      // What came in one piece is late; only the last one is news.
      for (const event of events) yield JSON.parse(event.slice(event.indexOf('{'))) as WatchResponse;
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

async function request(path: string, method: string, signal?: AbortSignal): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const response = await fetch(path, {
    method,
    headers: {
      // Another site cannot send it.
      ...(method === 'POST' ? { 'sluice-admin': '1' } : {}),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(signal === undefined ? {} : { signal }),
  });
  if (response.ok) return response;
  const { message = response.statusText } = (await response.json().catch(() => ({}))) as { message?: string };
  throw new Refusal(response.status, message);
}

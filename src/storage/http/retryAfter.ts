import { type Headers, header } from './headers.ts';

/**
 * Milliseconds that a server asks to wait, or undefined where it asks for nothing that can be understood: `Retry-After`
 * in seconds or as a date (RFC 9110, section 10.2.3), else `RateLimit: "api";r=0;t=55` as the Hugging Face Hub sends it
 * (IETF draft ratelimit-headers: `r` requests are left, more come in `t` seconds).
 *
 * @param now Milliseconds since 1970: what a date is compared with where the answer has none of its own.
 */
export function retryAfter(headers: Headers, now: number): number | undefined {
  const asked = header(headers, 'retry-after')?.trim();
  if (asked !== undefined && /^\d{1,9}(\.\d*)?$/.test(asked)) return Number(asked) * 1000;
  // JavaScript takes nearly everything for a date, "-5" included.
  const date = Date.parse(asked?.endsWith(' GMT') ? asked : '');
  if (!Number.isNaN(date)) {
    // Against the server's own clock, which need not be ours.
    const there = Date.parse(header(headers, 'date') ?? '');
    return Math.max(0, date - (Number.isNaN(there) ? now : there));
  }
  let longest: number | undefined;
  for (const policy of header(headers, 'ratelimit')?.split(',') ?? []) {
    const left = /;\s*r=(\d{1,9})/.exec(policy)?.[1];
    const seconds = /;\s*t=(\d{1,9})/.exec(policy)?.[1];
    if (seconds === undefined || Number(left ?? 0) > 0) continue;
    longest = Math.max(longest ?? 0, Number(seconds) * 1000);
  }
  return longest;
}

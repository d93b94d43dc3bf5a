/** What /proc says about another process: its CPU time and its peak memory. Linux only. */
import { readFileSync } from 'node:fs';

/** The unit of CPU times in /proc; USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Positions in /proc/PID/stat, counted after the command's closing parenthesis (see proc(5)). */
const USER_TIME_FIELD = 11;
const SYSTEM_TIME_FIELD = 12;

/** CPU seconds, user and system, of all threads of a process since its start; steps of 10 ms. */
export function readCpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[USER_TIME_FIELD]) + Number(fields[SYSTEM_TIME_FIELD])) / TICKS_PER_SECOND;
}

/** The most memory that a process has had resident, in bytes. */
export function readPeakRssBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  if (match === null) throw new Error(`/proc/${pid}/status has no VmHWM`);
  return Number(match[1]) * 1024;
}

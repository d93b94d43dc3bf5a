/** What /proc says about another process: its CPU time and its peak memory. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

/** The unit of CPU times in /proc; USER_HZ is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Positions in /proc/PID/stat, counted after the command's closing parenthesis (see proc(5)). */
const USER_TIME_FIELD = 11;
const SYSTEM_TIME_FIELD = 12;
const CHILDREN_USER_TIME_FIELD = 13;
const CHILDREN_SYSTEM_TIME_FIELD = 14;

/** CPU seconds, user and system, of all threads of a process since its start; steps of 10 ms. */
export function readCpuSeconds(pid: number): number {
  return secondsOf(pid, USER_TIME_FIELD, SYSTEM_TIME_FIELD);
}

/** CPU seconds, user and system, of the main thread of a process, which is its event loop. */
export function readLoopSeconds(pid: number): number {
  return cpuSecondsIn(`/proc/${pid}/task/${pid}/stat`, USER_TIME_FIELD, SYSTEM_TIME_FIELD);
}

/** Descriptors that a process has open. */
export function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** CPU seconds of the children of a process that have ended, with those of theirs. */
export function readChildrenCpuSeconds(pid: number): number {
  return secondsOf(pid, CHILDREN_USER_TIME_FIELD, CHILDREN_SYSTEM_TIME_FIELD);
}

/** The process and its children that live, of a server with several processes. */
function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
}

/** As `readCpuSeconds`, with its children that live. */
export function readFamilyCpuSeconds(pid: number): number {
  return familyOf(pid).reduce((sum, each) => sum + readCpuSeconds(each), 0);
}

/** As `readPeakRssBytes`, with its children that live; their peaks may have been at different times. */
export function readFamilyPeakRssBytes(pid: number): number {
  return familyOf(pid).reduce((sum, each) => sum + readPeakRssBytes(each), 0);
}

/** Whether a process has children. */
export function hasChildren(pid: number): boolean {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim() !== '';
}

function secondsOf(pid: number, user: number, system: number): number {
  return cpuSecondsIn(`/proc/${pid}/stat`, user, system);
}

function cpuSecondsIn(path: string, user: number, system: number): number {
  const stat = readFileSync(path, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[user]) + Number(fields[system])) / TICKS_PER_SECOND;
}

/** The most memory that a process has had resident, in bytes. */
export function readPeakRssBytes(pid: number): number {
  return readStatusBytes(pid, 'VmHWM');
}

/** The memory that a process has resident, in bytes. */
export function readRssBytes(pid: number): number {
  return readStatusBytes(pid, 'VmRSS');
}

function readStatusBytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  if (match === null) throw new Error(`/proc/${pid}/status has no ${field}`);
  return Number(match[1]) * 1024;
}

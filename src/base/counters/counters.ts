/**
 * Everything that a server counts: names, types, help and labels. Each server
 * passes its own to its parts.
 */
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import { Cells, Histogram, type Label, type LabelValues, type Metric, type MetricType } from './metric.ts';

/** The methods of a server, as logs and counters name them; all others are 'unknown'. */
export const METHOD_NAMES = [
  'GetFileSize',
  'StatFile',
  'ListFiles',
  'StreamFile',
  'StartUpload',
  'UploadFile',
  'GetUploadStatus',
  'FinishUpload',
  'AbortUpload',
  'DeleteFile',
  'MakeDirectory',
  'Exchange',
  'sluice.v1.AdminService/Watch',
  'sluice.v1.AdminService/GetHistory',
  'sluice.v1.AdminService/GetConfig',
  'sluice.v1.AdminService/CancelTransfer',
  'sluice.v1.AdminService/DiscardUpload',
  'grpc.health.v1.Health/Check',
  'grpc.health.v1.Health/List',
  'grpc.health.v1.Health/Watch',
  'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
  'unknown',
] as const;

export type MethodName = (typeof METHOD_NAMES)[number];

/** Why connections are closed or refused, and requests refused before gRPC. */
export const CLOSING_REASONS = [
  'headers',
  'wastedStreams',
  'banned',
  'silent',
  'full',
  'evicted',
  'refused',
  'foreign',
] as const;

/** Why access is refused: for lack of a right, or a call as a whole because nobody knows who makes it. */
const ACCESS_REFUSALS = ['call', 'read', 'list', 'write', 'delete', 'observe', 'control'] as const;

/** What has places. */
export const PLACE_KINDS = [
  'connections',
  'calls',
  'streams',
  'uploadStreams',
  'standing',
  'requests',
] as const;

export type PlaceKind = (typeof PLACE_KINDS)[number];

/** What a request of an Exchange asks for. */
export const EXCHANGE_REQUEST_KINDS = ['read', 'readPack', 'stat', 'list', 'write', 'makeDirectory'] as const;

export type ExchangeRequestKind = (typeof EXCHANGE_REQUEST_KINDS)[number];

const CODES: readonly (ErrorCode | 'OK')[] = ['OK', ...(Object.keys(ERROR_CODES) as ErrorCode[])];

/** Raw bytes are those of files; wire bytes are what they were on the wire, compressed or not. */
const FORM = label('form', ['raw', 'wire']);

const CODING = label('coding', ['identity', 'gzip', 'brotli', 'zstd']);

const DIRECTION = label('direction', ['download', 'upload']);

const PLACE_KIND = label('kind', PLACE_KINDS);

/** In seconds: a read from the page cache takes a tenth of a millisecond, a stuck disk seconds. */
const TIME_BOUNDS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

/** What all metrics of one process say, in the order of `Counters.all` and `Counters.histograms`. */
export interface CounterValues {
  readonly metrics: readonly (readonly number[])[];
  readonly histograms: readonly (readonly number[])[];
}

export class Counters {
  readonly #metrics: Metric[] = [];
  readonly #histograms: Histogram[] = [];

  readonly calls = this.#counter(
    'sluice_calls_total',
    'Calls that have ended, by method and code; those without a place too.',
    label('method', METHOD_NAMES),
    label('code', CODES),
  );
  readonly exchangeRequests = this.#counter(
    'sluice_exchange_requests_total',
    'Requests of Exchanges that have ended, by kind and code.',
    label('kind', EXCHANGE_REQUEST_KINDS),
    label('code', CODES),
  );
  readonly sentBytes = this.#counter(
    'sluice_sent_bytes_total',
    'Bytes of files that readers have taken, by the coding that was chosen for them.',
    FORM,
    CODING,
  );
  readonly receivedBytes = this.#counter(
    'sluice_received_bytes_total',
    'Bytes of chunks of uploads that have come, by their coding.',
    FORM,
    CODING,
  );
  readonly stalls = this.#counter(
    'sluice_stalls_total',
    'Transfers that were ended because their peer took or sent nothing for stream.stallTimeout.',
    DIRECTION,
  );
  readonly evictions = this.#counter(
    'sluice_evictions_total',
    'Places that were taken away for a newcomer.',
    PLACE_KIND,
  );
  readonly refusals = this.#counter(
    'sluice_refusals_total',
    'Newcomers that were refused because no place was free.',
    PLACE_KIND,
  );
  readonly limitRefusals = this.#counter(
    'sluice_limit_refusals_total',
    'Calls, requests and uploads that were refused because their identity has reached a limit of the access file.',
    label('kind', ['connections', 'calls', 'streams', 'uploadStreams', 'requests', 'uploads']),
  );
  readonly accessRefusals = this.#counter(
    'sluice_access_refusals_total',
    'Requests that were refused because the caller lacks the right, by right, and calls of nobody known.',
    label('what', ACCESS_REFUSALS),
  );
  readonly closings = this.#counter(
    'sluice_closings_total',
    'Connections that were closed or refused for cause, and requests that were refused before gRPC.',
    label('reason', CLOSING_REASONS),
  );
  readonly jobs = this.#counter(
    'sluice_jobs_total',
    'Jobs that were posted to worker threads.',
    label('kind', ['fill', 'drain', 'look', 'write', 'name', 'list']),
  );
  readonly workerDeaths = this.#counter(
    'sluice_worker_deaths_total',
    'Worker threads that died and were replaced.',
  );
  readonly uploadSyncs = this.#counter(
    'sluice_upload_syncs_total',
    'Syncs of uploads to the disk: of bytes, of rights and of directories.',
  );
  readonly uploadCommits = this.#counter(
    'sluice_upload_commits_total',
    'Batches of written bytes of uploads that were committed, or lost because the disk failed.',
    label('result', ['committed', 'lost']),
  );
  readonly secondReads = this.#counter(
    'sluice_second_reads_total',
    'Second requests for reads of a bucket that were late, by whether they had the next byte before the first one.',
    label('result', ['won', 'lost']),
  );
  readonly logLines = this.#counter(
    'sluice_log_lines_missing_total',
    'Lines that are missing from the log: left out of a flood of one kind, or dropped because nobody wrote them.',
    label('why', ['leftOut', 'dropped']),
  );
  readonly codingChoices = this.#counter(
    'sluice_coding_choices_total',
    'Times a download took a coding into use: its first one, and each other one that it changed to.',
    CODING,
  );
  readonly jobSeconds = this.#histogram(
    'sluice_job_seconds',
    'What jobs took in their worker threads.',
    label('kind', ['fill', 'drain']),
  );
  readonly storageSeconds = this.#histogram(
    'sluice_storage_seconds',
    'What the store took: reads and writes of one job, and syncs.',
    label('operation', ['read', 'write', 'sync']),
  );
  readonly loopDelaySeconds = this.#histogram(
    'sluice_event_loop_delay_seconds',
    'By how much timers of the event loop were late.',
    label('thread', ['main']),
  );
  readonly transfers = this.#gauge(
    'sluice_transfers_active',
    'Transfers whose bytes are moving now.',
    DIRECTION,
  );
  readonly places = this.#gauge('sluice_places_taken', 'Places that are taken.', PLACE_KIND);
  readonly connections = this.#gauge('sluice_connections', 'Connections that are open.');
  readonly slabs = this.#gauge(
    'sluice_slabs',
    'Slabs by what is done with them.',
    label('state', ['free', 'leased', 'sending', 'quarantined']),
  );
  readonly jobsNow = this.#gauge(
    'sluice_jobs',
    'Jobs that are posted and not answered, and streams that wait for a turn.',
    label('state', ['outstanding', 'waiting']),
  );
  readonly threads = this.#gauge('sluice_pool_threads', 'Worker threads of the pool.');
  readonly openUploads = this.#gauge('sluice_uploads_open', 'Uploads that are not finished.');
  readonly windowSessions = this.#gauge(
    'sluice_upload_window_connections',
    'Connections with uploads whose receive windows follow the link.',
  );
  readonly windowBytes = this.#declared(
    'gauge',
    'sluice_upload_window_bytes',
    'What receive windows of uploads may offer: all together, and the largest of a stream.',
    [label('which', ['granted', 'largest'])],
    'largest',
  );

  /** All of them, in the order above. */
  get all(): readonly Metric[] {
    return this.#metrics;
  }

  /** Beside `all`. */
  get histograms(): readonly Histogram[] {
    return this.#histograms;
  }

  /** What they say now. */
  values(): CounterValues {
    return {
      metrics: this.#metrics.map((metric) => metric.numbers()),
      histograms: this.#histograms.map((histogram) => histogram.numbers()),
    };
  }

  /** Adds what another process has counted; of one that is gone, which has nothing any more, without its gauges. */
  addValues({ histograms, metrics }: CounterValues, isGone = false): void {
    for (const [at, metric] of this.#metrics.entries())
      if (!isGone || metric.type === 'counter') metric.addNumbers(metrics[at] ?? []);
    for (const [at, histogram] of this.#histograms.entries()) histogram.addNumbers(histograms[at] ?? []);
  }

  #histogram<const Value extends string>(name: string, help: string, values: Label<Value>): Histogram<Value> {
    const histogram = new Histogram(name, help, TIME_BOUNDS, values);
    this.#histograms.push(histogram);
    return histogram;
  }

  #counter<const Labels extends readonly Label[]>(name: string, help: string, ...labels: Labels) {
    return this.#declared('counter', name, help, labels);
  }

  #gauge<const Labels extends readonly Label[]>(name: string, help: string, ...labels: Labels) {
    return this.#declared('gauge', name, help, labels);
  }

  #declared<Labels extends readonly Label[]>(
    type: MetricType,
    name: string,
    help: string,
    labels: Labels,
    maximum?: string,
  ): Metric<LabelValues<Labels>> {
    const metric = new Cells({ name, type, help, labels, maximum });
    this.#metrics.push(metric);
    return metric as unknown as Metric<LabelValues<Labels>>;
  }
}

function label<const Value extends string>(name: string, values: readonly Value[]): Label<Value> {
  return { name, values };
}

/** The manifests belong together, and fit what the server does. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { parseAccess } from '../../../src/access/access-file.ts';
import { GIB } from '../../../src/base/units.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { ROOT } from '../examples.ts';

const KUBECTL = 'kubectl';
const hasKustomize = spawnSync(KUBECTL, ['kustomize', '--help']).status === 0;

const FOLDER = join(ROOT, 'docs/deploy/kubernetes');
const VARIANTS = ['base', 'tls', 's3'] as const;

type Variant = (typeof VARIANTS)[number];

/** What threads and files get after shutdown.grace: docs/deploy/systemd.md. */
const LAST_CALLS_SECONDS = 11;

type Labels = Record<string, string>;

interface Probe {
  grpc?: { port: number };
  httpGet?: { port: string; path: string; scheme: string };
}

interface PodSpec {
  terminationGracePeriodSeconds: number;
  securityContext: Record<string, unknown>;
  containers: [
    {
      args: string[];
      ports: { name: string; containerPort: number }[];
      startupProbe: Probe;
      readinessProbe: Probe;
      livenessProbe: Probe;
      resources: { limits: { memory: string } };
      securityContext: Record<string, unknown>;
      volumeMounts: { name: string; mountPath: string }[];
    },
  ];
  volumes: { name: string; configMap?: { name: string }; secret?: { secretName: string } }[];
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  // biome-ignore lint/suspicious/noExplicitAny: of any kind
  spec: any;
  data?: Record<string, string>;
}

/** The manifests of `base` as they are written, by kind. */
function base(): Map<string, Manifest> {
  const { resources } = parse(readFileSync(join(FOLDER, 'base/kustomization.yaml'), 'utf8')) as {
    resources: string[];
  };
  const made = resources.map((name) => read(join('base', name)));
  return new Map(made.map((manifest) => [manifest.kind, manifest]));
}

/** What kubectl makes of a variant, by kind. */
function built(variant: Variant): Map<string, Manifest> {
  const { status, stdout, stderr } = spawnSync(KUBECTL, ['kustomize', join(FOLDER, variant)], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const manifests = parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
  return new Map(manifests.map((manifest) => [manifest.kind, manifest]));
}

function specOf(manifests: Map<string, Manifest>, kind: string): Manifest['spec'] {
  const manifest = manifests.get(kind);
  assert.ok(manifest !== undefined, `there is no ${kind}`);
  return manifest.spec;
}

function podOf(manifests: Map<string, Manifest>): PodSpec {
  const kind = manifests.has('Deployment') ? 'Deployment' : 'StatefulSet';
  return specOf(manifests, kind).template.spec as PodSpec;
}

/** The pod of a variant as it is written; that of `tls` is that of `base`. */
function writtenPodOf(variant: Variant): PodSpec {
  return variant === 's3' ? podOf(new Map([['Deployment', read('s3/deployment.yaml')]])) : podOf(base());
}

function read(name: string): Manifest {
  return parse(readFileSync(join(FOLDER, name), 'utf8')) as Manifest;
}

function configOf(variant: Variant) {
  return loadConfig({ filePath: join(FOLDER, variant, 'sluice.yaml'), availableBytes: GIB }).config;
}

test('every manifest selects the pods of the server', () => {
  const manifests = base();
  const set = specOf(manifests, 'StatefulSet');
  const labels = set.template.metadata.labels as Labels;

  assert.deepEqual(set.selector.matchLabels, labels);
  assert.deepEqual(specOf(manifests, 'Service').selector, labels);
  assert.deepEqual(specOf(manifests, 'PodDisruptionBudget').selector.matchLabels, labels);
  assert.deepEqual(specOf(manifests, 'NetworkPolicy').podSelector.matchLabels, labels);
  assert.equal(set.serviceName, manifests.get('Service')?.metadata.name);
  assert.equal(set.replicas, 1, 'one writer for each directory');
});

test('clients are let in by a label of their own', () => {
  const [{ from, ports }] = specOf(base(), 'NetworkPolicy').ingress;

  assert.deepEqual(from, [
    { namespaceSelector: {}, podSelector: { matchLabels: { 'sluice-client': 'true' } } },
  ]);
  assert.deepEqual(ports, [{ port: 'grpc' }]);
  assert.match(readFileSync(join(FOLDER, '../kubernetes.md'), 'utf8'), /--labels sluice-client=true/);
});

for (const variant of VARIANTS) {
  test(`${variant}: the configuration is one that a server takes, in the memory of its container`, () => {
    const config = configOf(variant);
    const [container] = writtenPodOf(variant).containers;

    assert.equal(container.resources.limits.memory, '1Gi');
    assert.equal(config.insecure, variant !== 'tls');
    assert.equal(Number(config.listen.split(':')[1]), container.ports[0]?.containerPort);
    assert.ok(
      variant === 's3' || container.volumeMounts.some(({ mountPath }) => mountPath === config.root),
      config.root,
    );
  });

  test(`${variant}: a pod has the time that its server takes to stop`, () => {
    const { shutdown } = configOf(variant);
    const seconds = (shutdown.pause + shutdown.grace) / 1000 + LAST_CALLS_SECONDS;

    assert.ok(shutdown.pause > 0, 'clients hear of the end first');
    assert.ok(writtenPodOf(variant).terminationGracePeriodSeconds > seconds, `${seconds} s are needed`);
  });
}

for (const variant of ['base', 's3'] as const) {
  test(`${variant}: the pod is not root and writes to its volume only`, () => {
    const { containers, securityContext } = writtenPodOf(variant);
    const [{ args, securityContext: own }] = containers;

    assert.equal(securityContext.runAsNonRoot, true);
    assert.equal(own.readOnlyRootFilesystem, true);
    assert.equal(own.allowPrivilegeEscalation, false);
    assert.deepEqual(own.capabilities, { drop: ['ALL'] });
    assert.deepEqual(args, ['serve', '--config', '/etc/sluice/sluice.yaml']);
  });
}

test('s3: the autoscaler scales the servers, which have the labels that everything selects', () => {
  const { spec, metadata } = read('s3/deployment.yaml');
  const scaler = read('s3/autoscaler.yaml').spec;

  assert.deepEqual(spec.selector, specOf(base(), 'StatefulSet').selector);
  assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
  assert.equal(spec.replicas, undefined, 'an apply would undo what the autoscaler did');
  assert.deepEqual(scaler.scaleTargetRef, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: metadata.name,
  });
  assert.match(configOf('s3').root, /^s3:/);
});

test('the variants are what kubectl makes of them', {
  skip: hasKustomize ? false : `needs ${KUBECTL}`,
}, () => {
  for (const variant of VARIANTS) {
    const manifests = built(variant);
    assert.equal(manifests.has('StatefulSet'), variant !== 's3');
    assert.equal(manifests.has('HorizontalPodAutoscaler'), variant === 's3');
    const pod = podOf(manifests);
    const [container] = pod.containers;
    const volumes = new Map(pod.volumes.map((volume) => [volume.name, volume]));

    for (const { name, mountPath } of container.volumeMounts) {
      assert.ok(name === 'files' || volumes.has(name), `${variant}: nothing is mounted at ${mountPath}`);
    }
    assert.equal(volumes.get('config')?.configMap?.name, manifests.get('ConfigMap')?.metadata.name);
    const text = manifests.get('ConfigMap')?.data?.['sluice.yaml'] ?? '';
    assert.equal(text, readFileSync(join(FOLDER, variant, 'sluice.yaml'), 'utf8'));
    for (const { grpc, httpGet } of [
      container.startupProbe,
      container.readinessProbe,
      container.livenessProbe,
    ]) {
      // A probe of kubelet that speaks gRPC knows no TLS.
      assert.equal(grpc?.port, variant === 'tls' ? undefined : 50051);
      assert.equal(httpGet?.scheme, variant === 'tls' ? 'HTTPS' : undefined);
      assert.ok(httpGet === undefined || container.ports.some(({ name }) => name === httpGet.port));
    }
  }
});

test('the probes of tls ask the admin listener, where it is open to the cluster', () => {
  const patch = parse(readFileSync(join(FOLDER, 'tls/stateful-set.yaml'), 'utf8')) as Manifest;
  const [{ ports, startupProbe, readinessProbe, livenessProbe }] = (patch.spec.template.spec as PodSpec)
    .containers;
  const [, port] = configOf('tls').admin.listen.split(':');

  assert.deepEqual(ports, [{ name: 'admin', containerPort: Number(port) }]);
  assert.equal(startupProbe.httpGet?.path, '/readyz');
  assert.equal(readinessProbe.httpGet?.path, '/readyz');
  assert.equal(livenessProbe.httpGet?.path, '/livez');
});

test('the secrets have the files that the configuration names', () => {
  const { access, tls } = configOf('tls');
  const page = readFileSync(join(FOLDER, '../kubernetes.md'), 'utf8');
  const mounted = parse(readFileSync(join(FOLDER, 'tls/stateful-set.yaml'), 'utf8')) as Manifest;
  const folders = (mounted.spec.template.spec as PodSpec).containers[0].volumeMounts.map(
    ({ mountPath }) => mountPath,
  );

  for (const path of [access, tls.cert, tls.key, tls.clientCa]) {
    assert.ok(folders.includes(dirname(path)), path);
    assert.ok(page.includes(`--from-file=${basename(path)}=`), path);
  }
});

test('the access file is one that a server takes', () => {
  const path = join(FOLDER, 'tls/access.yaml');
  const { certificates, rules } = parseAccess(readFileSync(path, 'utf8'), path);

  assert.deepEqual(
    certificates.map(({ subject }) => subject),
    ['CN=worker-1', 'CN=prometheus'],
  );
  assert.equal(rules.length, 2);
});

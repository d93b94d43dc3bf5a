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
const VARIANTS = ['base', 'tls'] as const;

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
  const made = resources.map((name) => parse(readFileSync(join(FOLDER, 'base', name), 'utf8')) as Manifest);
  return new Map(made.map((manifest) => [manifest.kind, manifest]));
}

/** What kubectl makes of a variant, by kind. */
function built(variant: string): Map<string, Manifest> {
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
  return specOf(manifests, 'StatefulSet').template.spec as PodSpec;
}

function configOf(variant: string) {
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
    const [container] = podOf(base()).containers;

    assert.equal(container.resources.limits.memory, '1Gi');
    assert.equal(config.insecure, variant === 'base');
    assert.equal(Number(config.listen.split(':')[1]), container.ports[0]?.containerPort);
    assert.ok(
      container.volumeMounts.some(({ mountPath }) => mountPath === config.root),
      config.root,
    );
  });

  test(`${variant}: a pod has the time that its server takes to stop`, () => {
    const { shutdown } = configOf(variant);
    const seconds = (shutdown.pause + shutdown.grace) / 1000 + LAST_CALLS_SECONDS;

    assert.ok(shutdown.pause > 0, 'clients hear of the end first');
    assert.ok(podOf(base()).terminationGracePeriodSeconds > seconds, `${seconds} s are needed`);
  });
}

test('the pod is not root and writes to its volume only', () => {
  const { containers, securityContext } = podOf(base());
  const [{ args, securityContext: own }] = containers;

  assert.equal(securityContext.runAsNonRoot, true);
  assert.equal(own.readOnlyRootFilesystem, true);
  assert.equal(own.allowPrivilegeEscalation, false);
  assert.deepEqual(own.capabilities, { drop: ['ALL'] });
  assert.deepEqual(args, ['serve', '--config', '/etc/sluice/sluice.yaml']);
});

test('both variants are what kubectl makes of them', {
  skip: hasKustomize ? false : `needs ${KUBECTL}`,
}, () => {
  for (const variant of VARIANTS) {
    const manifests = built(variant);
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
      assert.equal(grpc?.port, variant === 'base' ? 50051 : undefined);
      assert.equal(httpGet?.scheme, variant === 'base' ? undefined : 'HTTPS');
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

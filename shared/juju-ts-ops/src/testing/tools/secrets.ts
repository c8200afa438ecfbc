import type { Charmcraft } from '../../charmcraft.ts';
import { appOf } from '../../context.ts';
import type { HookRun, Tools } from '../hook-run.ts';
import { ANY, isAppName, isUnitName, parse, Refusal, RELATION } from './command-line.ts';
import { format, FORMAT, PLAIN_FORMATS, YAML } from './format.ts';
import { bareId, SECRET, secretContent, settingsOf } from './secret-arguments.ts';
import { idOf, SecretRecords, withRevision } from './secret-records.ts';

/** Secrets, the unit's own and those of others. */
export function secretTools<C extends Charmcraft>(hook: HookRun<C>): Tools {
  const { before } = hook;
  const records = new SecretRecords(hook);

  /** What secret-grant and secret-revoke are told, in the order in which Juju looks at it. */
  function secretAndUnit(uri: string | undefined, unit: string, relation: string | undefined) {
    if (uri === undefined) throw new Refusal(2, 'missing secret URI');
    const id = bareId(uri);
    if (unit !== '' && !isUnitName(unit)) throw new Refusal(2, `unit "${unit}" not valid`);
    return {
      id,
      unit: unit === '' ? undefined : unit,
      relation: relation === undefined ? hook.eventRelation() : hook.relation(relation),
    };
  }

  return {
    'secret-add': (args) => {
      const { values, positionals } = parse(args, SECRET, ANY);
      if (positionals.length === 0 && !values.file) throw new Refusal(2, 'missing secret value or filename');
      const settings = settingsOf(values);
      const content = secretContent(values.file, positionals);
      if (Object.keys(content).length === 0) throw new Refusal(1, 'empty secret value not valid');
      const owner = values.owner === 'unit' ? 'unit' : 'application';
      if (owner === 'application' && !before.isLeader) throw new Refusal(1, 'this unit is not the leader');
      const { label } = values;
      const isTaken = hook.pending.secrets.some((secret) => label && secret.label === label);
      if (isTaken && records.added.some(({ label: other }) => other === label))
        throw new Refusal(1, `secret with label "${label}" already exists`);
      if (isTaken) hook.refuseAtEnd(`secret with label "${label}" already exists`);
      const id = records.newId();
      const secret = {
        uri: `secret:${id}`,
        owner,
        ...settings,
        revisions: [{ number: 1, content }],
        grants: [],
      } as const;
      records.added.push(secret);
      hook.pending.secrets = [...hook.pending.secrets, secret];
      return hook.isJuju4 ? `secret://${before.model.uuid}/${id}\n` : `secret:${id}\n`;
    },

    'secret-set': (args) => {
      const { values, positionals } = parse(args, SECRET, ANY);
      const [uri, ...rest] = positionals;
      if (uri === undefined) throw new Refusal(2, 'missing secret URI');
      const id = bareId(uri);
      const settings = settingsOf(values);
      const content = secretContent(values.file, rest);
      const isNothing = Object.keys({ ...settings, ...content }).length === 0;
      if (isNothing) return '';
      const secret = records.ownAtEnd(id);
      if (!secret) return '';
      const { label } = values;
      if (label && hook.pending.secrets.some((other) => idOf(other) !== id && other.label === label))
        hook.refuseAtEnd(`secret with label "${label}" already exists`);
      records.change(secret, (own) => ({
        ...own,
        ...settings,
        revisions: records.added.some((added) => idOf(added) === id)
          ? own.revisions.map(({ number, content: known }) => ({
              number,
              content: Object.keys(content).length > 0 ? content : known,
            }))
          : Object.keys(content).length > 0
            ? withRevision(
                own.revisions,
                content,
                before.secrets.find((old) => idOf(old) === id),
              )
            : own.revisions,
      }));
      return '';
    },

    'secret-get': (args) => {
      const { values, positionals } = parse(
        args,
        {
          ...YAML,
          label: { type: 'string' },
          peek: { type: 'boolean', default: false },
          refresh: { type: 'boolean', default: false },
        },
        2,
      );
      const [uri, key = ''] = positionals;
      const id = uri === undefined ? undefined : bareId(uri);
      const label = values.label === '' ? undefined : values.label;
      if (id === undefined && label === undefined)
        throw new Refusal(2, 'require either a secret URI or label');
      if (values.peek && values.refresh)
        throw new Refusal(2, 'specify one of --peek or --refresh but not both');
      const secret = hook.pending.secrets.find((known) =>
        id === undefined ? known.label === label : idOf(known) === id,
      );
      if (!secret)
        throw new Refusal(
          1,
          id === undefined ? `consumer label "${label}" not found` : `secret "${id}" not found`,
        );
      const latest = secret.revisions.at(-1);
      if (!latest) throw new Refusal(1, `secret "${idOf(secret)}" not found`);
      const tracked = values.refresh ? latest.number : (secret.tracked ?? latest.number);
      if (!values.peek || label !== undefined)
        records.track(secret, {
          ...(!values.peek && { tracked }),
          ...(label !== undefined && secret.owner === 'other' && { label }),
        });
      const shown = values.peek
        ? latest
        : (secret.revisions.find(({ number }) => number === tracked) ?? latest);
      if (key === '') return format(shown.content, values, PLAIN_FORMATS);
      const name = key.replace(/#base64$/, '');
      const value = shown.content[name];
      if (value === undefined) throw new Refusal(1, `secret key value "${name}" not found`);
      return format(name === key ? value : Buffer.from(value).toString('base64'), values, PLAIN_FORMATS);
    },

    'secret-info-get': (args) => {
      const { values, positionals } = parse(args, { ...YAML, label: { type: 'string' } }, 1);
      const [uri] = positionals;
      const id = uri === undefined ? undefined : bareId(uri);
      const label = values.label === '' ? undefined : values.label;
      if (id === undefined && label === undefined)
        throw new Refusal(2, 'require either a secret URI or label');
      if (id !== undefined && label !== undefined)
        throw new Refusal(2, 'specify either a secret URI or label but not both');
      const secret = records.own().find((own) => (id === undefined ? own.label === label : idOf(own) === id));
      if (!secret) throw new Refusal(1, `secret "${id ?? label}" not found`);
      return format({ [idOf(secret)]: records.info(secret) }, values, PLAIN_FORMATS);
    },

    'secret-ids': (args) => {
      const { values } = parse(args, FORMAT, 0);
      const ids = records.own().map(idOf);
      return format(ids.length === 0 && values.format === 'json' ? null : ids, values);
    },

    'secret-grant': (args) => {
      const { values, positionals } = parse(args, { ...RELATION, unit: { type: 'string', default: '' } }, 1);
      const { id, relation, unit } = secretAndUnit(positionals[0], values.unit, values.relation);
      if (!relation) throw new Refusal(2, 'no relation id specified');
      if (unit !== undefined && appOf(unit) !== relation.app)
        throw new Refusal(2, `cannot specify unit "${unit}" in relation to application "${relation.app}"`);
      const secret = records.own().find((own) => idOf(own) === id);
      if (!secret) throw new Refusal(1, `secret "${id}" not found`);
      const there = (secret.grants ?? []).filter((grant) => grant.relation === relation.id);
      if (there.some((grant) => grant.unit === undefined || grant.unit === unit)) return '';
      if (there.length > 0 && unit === undefined)
        throw new Refusal(
          1,
          'any unit level grants need to be revoked before granting access to the corresponding application',
        );
      const grant = { relation: relation.id, ...(unit !== undefined && { unit }) };
      records.change(secret, ({ grants = [], ...own }) => ({ ...own, grants: [...grants, grant] }));
      return '';
    },

    'secret-revoke': (args) => {
      const { values, positionals } = parse(
        args,
        {
          ...RELATION,
          app: { type: 'string', default: '' },
          application: { type: 'string', default: '' },
          unit: { type: 'string', default: '' },
        },
        1,
      );
      const app = values.app || values.application;
      if (app !== '' && !isAppName(app)) throw new Refusal(2, `application "${app}" not valid`);
      const { id, relation, unit } = secretAndUnit(positionals[0], values.unit, values.relation);
      if (app !== '' && unit !== undefined) throw new Refusal(2, 'specify only one of application or unit');
      // The relation of the hook counts as if it had been named.
      if (app !== '' && relation) throw new Refusal(2, 'do not specify both relation and app');
      const from = app || relation?.app;
      if (from === undefined && unit === undefined)
        throw new Refusal(2, 'missing relation or application or unit');
      const secret = records.ownAtEnd(id);
      if (!secret) return '';
      const related = hook.pending.relations.filter((other) => other.app === from).map((other) => other.id);
      records.change(secret, ({ grants = [], ...own }) => ({
        ...own,
        grants: grants.filter((grant) =>
          unit === undefined
            ? grant.unit !== undefined || !related.includes(grant.relation)
            : grant.unit !== unit,
        ),
      }));
      return '';
    },

    'secret-remove': (args) => {
      const { values, positionals } = parse(args, { revision: { type: 'string', default: '0' } }, 1);
      const { revision } = values;
      if (!/^[+-]?\d+$/.test(revision))
        throw new Refusal(
          2,
          `invalid value "${revision}" for option --revision: strconv.ParseInt: parsing "${revision}": invalid syntax`,
        );
      const [uri] = positionals;
      if (uri === undefined) throw new Refusal(2, 'missing secret URI');
      const secret = records.ownAtEnd(bareId(uri));
      if (!secret) return '';
      const removed = Number(revision);
      const isAdded = records.added.some(({ uri: added }) => added === secret.uri);
      if (removed <= 0 || isAdded) {
        hook.pending.secrets = hook.pending.secrets.filter((known) => known.uri !== secret.uri);
        return '';
      }
      records.change(secret, (own) => ({
        ...own,
        revisions: own.revisions.filter(({ number }) => number !== removed),
      }));
      return '';
    },
  };
}

import type { AlertsConfig } from '../config/config.ts';
import type { ChannelName } from '../kinds/channels/registry.ts';
import type { Channels } from './channels/channel.ts';
import type { AlertPolicy, AlertState } from './policy/alert-manager.ts';
import type { AlertFile } from './store.ts';

/**
 * Channels that are told the same at the same time. Those without settings of their own are one audience; each kind of
 * channel with a key in `alerts.channels` is another, which has an announced state of its own.
 */
export interface Audience {
  /** The kind of its channels; null for the channels without settings of their own. */
  readonly kind: ChannelName | null;
  /** The names of all its channels. */
  readonly channels: readonly string[];
  /** The names of its event channels. */
  readonly eventChannels: readonly string[];
  readonly policy: AlertPolicy;
}

/** The first is that of the channels without settings of their own, and is always there. */
export type Audiences = readonly [Audience, ...Audience[]];

/** The audiences of the configured channels. */
export const audiencesOf = (
  { eventChannels, stateChannels }: Channels,
  { channels: settings, ...config }: AlertsConfig,
): Audiences => {
  const kinds = new Set([...eventChannels, ...stateChannels].map(({ kind }) => kind));
  const ownKinds = [...kinds].filter((kind) => settings[kind] !== undefined);
  const audienceOfKind = (kind: ChannelName | null): Audience => {
    const isMember = (channel: { readonly kind: ChannelName }): boolean =>
      (settings[channel.kind] === undefined ? null : channel.kind) === kind;
    const { afterMs: minAgeMs = 0, minSeverity = 'info' } = kind === null ? {} : (settings[kind] ?? {});
    const namesOf = (
      all: readonly { readonly kind: ChannelName; readonly name: string }[],
    ): readonly string[] => all.filter(isMember).map(({ name }) => name);
    return {
      kind,
      channels: namesOf([...eventChannels, ...stateChannels]),
      eventChannels: namesOf(eventChannels),
      policy: {
        ...config,
        minAgeMs,
        minSeverity,
        stateChannels: namesOf(stateChannels),
      },
    };
  };
  return [audienceOfKind(null), ...ownKinds.map(audienceOfKind)];
};

/** The audience to which a channel belongs. */
export const audienceOf = (audiences: Audiences, { kind }: { readonly kind: ChannelName }): Audience =>
  audiences.find((audience) => audience.kind === kind) ?? audiences[0];

/** The announced state of an audience. A new audience has heard what all others have. */
export const announcedTo = (
  { alertState, ownStates }: AlertFile,
  { kind }: Pick<Audience, 'kind'>,
): AlertState => (kind === null ? alertState : (ownStates[kind] ?? alertState));

/** The change to alerts.json that gives an audience this state. */
export const withAnnounced = (
  { ownStates }: AlertFile,
  { kind }: Pick<Audience, 'kind'>,
  state: AlertState,
): Partial<AlertFile> => {
  if (kind === null) return { alertState: state };
  return ownStates[kind] === state ? {} : { ownStates: { ...ownStates, [kind]: state } };
};

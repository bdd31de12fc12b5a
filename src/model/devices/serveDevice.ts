import { SluiceError } from '../../errors.ts';
import type {
  DeviceFailure,
  DeviceMessage,
  DeviceReply,
  DeviceResult,
  DeviceTimes,
  OpenedDevice,
  OpenRequest,
  PassRequest,
} from './deviceProtocol.ts';

/** What the process of a device does; each call may wait for others. */
export interface DeviceServer {
  open(request: OpenRequest): Promise<OpenedDevice>;
  pass(request: PassRequest): Promise<DeviceResult>;
  forget(document: number): void;
  times(): Promise<DeviceTimes>;
}

/** An error that is about one pass; the device works on. */
export class PassError extends SluiceError {
  override name = 'PassError';
}

/** Answers the model's process until that ends, however it comes. */
export function serveDevice(server: DeviceServer): void {
  process.on('message', (message: DeviceMessage) => {
    if (message.kind === 'forget') {
      server.forget(message.document);
      return;
    }
    const { id } = message;
    const answer = async (): Promise<DeviceReply> => {
      switch (message.kind) {
        case 'open':
          return { id, opened: await server.open(message) };
        case 'pass':
          return { id, result: await server.pass(message) };
        case 'times':
          return { id, times: await server.times() };
      }
    };
    answer()
      .catch((error: unknown): DeviceReply => ({ id, failure: failureOf(error) }))
      .then((reply) => {
        if (process.connected) process.send?.(reply);
      });
  });
  // the model's process decides what an interruption means; its end is the end of this one
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', () => process.exit());
}

function failureOf(error: unknown): DeviceFailure {
  if (error instanceof SluiceError) {
    const { code, message, path, hint } = error;
    return { code, message, path, hint, ofPass: error instanceof PassError };
  }
  return { code: 'MODEL_RUN', message: reasonOf(error) };
}

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim();

import type { DecoderWork } from '../../decoders/protocol.ts';
import { cutRecord, type RecordFacts } from './cut.ts';

/** The decoder module of `pretokenize`: a record's bytes to its views. */
const work: DecoderWork = (bytes, facts) => cutRecord(bytes, facts as RecordFacts);

export default work;

/** Writes a model folder of the released shape with random weights: `makeModel.ts <folder>`. */
import { cpSync } from 'node:fs';
import { modelFolder } from '../../test/model/modelFolder.ts';
import { RELEASED } from '../model/work.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Name the folder to write to.');
cpSync(modelFolder(RELEASED), folder, { recursive: true });

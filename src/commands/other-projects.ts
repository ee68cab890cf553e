import { projectOf } from '../config/project/project.ts';
import { listProjectRecords } from '../config/project/record.ts';
import type { Settings } from '../config/settings.ts';
import type { OtherProjectStatus } from '../status/snapshot.ts';
import { locateStateDir } from '../system/state-dir.ts';
import { isListening } from '../system/unix-socket.ts';

/** The other projects of this STEADYPORT_HOME that were started and not uninstalled since. */
export const listOtherProjects = ({
  home,
  project,
}: Pick<Settings, 'home' | 'project'>): Promise<readonly OtherProjectStatus[]> =>
  Promise.all(
    listProjectRecords(home)
      .filter(({ name }) => name !== project.name)
      .map(async ({ name, configPath }) => ({
        name,
        configPath,
        running: await isListening(locateStateDir(projectOf(home, name).stateDir).monitorSocket),
      })),
  );

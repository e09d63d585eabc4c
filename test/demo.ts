/**
 * `npm run demo`: shows dnet doing its main job on this machine, and takes everything down again. A scene needs what it says
 * it needs; where that is missing, the demonstration says so and shows the nearest thing.
 */
import { memoryScene } from "./demo/memory-scene.ts";
import { Story } from "./demo/story.ts";
import { networkObstacle, tunnelScene } from "./demo/tunnel-scene.ts";

process.chdir(`${import.meta.dir}/..`);
const story = new Story();
const startedAt = performance.now();
story.title("dnet: IP packets from one machine to another, sealed on the way");
const obstacle = networkObstacle();
if (obstacle) {
  story.say(`Real interfaces are not for this run: ${obstacle.what}.`, `To see them: ${obstacle.remedy}.`);
  memoryScene(story);
} else await tunnelScene(story);
story.say(`That took ${((performance.now() - startedAt) / 1000).toFixed(1)} seconds.`);

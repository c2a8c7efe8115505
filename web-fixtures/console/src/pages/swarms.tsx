import { SwarmList } from "./swarms/list.tsx";
import { SwarmPage } from "./swarms/swarm.tsx";

export default function Swarms({ name }: { name?: string | undefined }) {
  return name === undefined ? <SwarmList /> : <SwarmPage key={name} name={name} />;
}

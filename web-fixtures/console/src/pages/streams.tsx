import { StreamList } from "./streams/list.tsx";
import { StreamPage } from "./streams/stream.tsx";

export default function Streams({ id }: { id?: string | undefined }) {
  return id === undefined ? <StreamList /> : <StreamPage key={id} id={id} />;
}

import { Title } from "@mantine/core";

export default function Streams({ id }: { id?: string | undefined }) {
  return <Title order={2}>Streams {id}</Title>;
}

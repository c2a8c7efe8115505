import { Title } from "@mantine/core";

export default function Boards({ id }: { id?: string | undefined }) {
  return <Title order={2}>Boards {id}</Title>;
}

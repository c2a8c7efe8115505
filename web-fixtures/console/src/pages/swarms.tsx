import { Title } from "@mantine/core";

export default function Swarms({ name }: { name?: string | undefined }) {
  return <Title order={2}>Swarms {name}</Title>;
}

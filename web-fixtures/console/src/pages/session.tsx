import { Title } from "@mantine/core";

export default function SessionPage({ id }: { id: string }) {
  return <Title order={2}>SessionPage {id}</Title>;
}

import { Title } from "@mantine/core";

export default function Activity() {
  return <Title order={2}>Activity</Title>;
}

import { Title } from "@mantine/core";

export default function ConnectionPage() {
  return <Title order={2}>ConnectionPage</Title>;
}

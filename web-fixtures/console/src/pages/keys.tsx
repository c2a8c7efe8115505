import { Title } from "@mantine/core";

export default function Keys() {
  return <Title order={2}>Keys</Title>;
}

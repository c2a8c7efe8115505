// The frame of the page: where one can go, how the connection is, and what is shown.

import { Anchor, AppShell, Burger, Center, Group, Loader, NavLink, ScrollArea, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Suspense, lazy, useEffect, type ReactNode } from "react";
import { Route, Router, Switch, useLocation } from "wouter";
import { useLogin } from "./lib/logins.ts";
import { usePath } from "./lib/place.ts";
import { askWhoIsIn } from "./lib/session.ts";
import { ConnectionBadge } from "./parts/connection-badge.tsx";
import { Broken } from "./parts/broken.tsx";
import { ReturnBanner } from "./parts/return-banner.tsx";
import { Scheme } from "./parts/scheme.tsx";
import { Login } from "./pages/login.tsx";

const Boards = lazy(() => import("./pages/boards.tsx"));
const SessionPage = lazy(() => import("./pages/session.tsx"));
const Activity = lazy(() => import("./pages/activity.tsx"));
const Streams = lazy(() => import("./pages/streams.tsx"));
const Swarms = lazy(() => import("./pages/swarms.tsx"));
const ConnectionPage = lazy(() => import("./pages/connection.tsx"));
const Keys = lazy(() => import("./pages/keys.tsx"));

const PLACES = [
  ["/boards", "Boards"],
  ["/activity", "Activity"],
  ["/streams", "Streams"],
  ["/swarms", "Swarms"],
  ["/connection", "Connection"],
  ["/keys", "API keys"],
] as const;

export function App() {
  const { state } = useLogin();
  useEffect(() => void askWhoIsIn(), []);
  return (
    <Router hook={usePath}>
      {state === "needed" ? <Login /> : state === "asking" ? <Waiting /> : <Inside />}
    </Router>
  );
}

function Inside() {
  const [opened, { toggle, close }] = useDisclosure();
  const [place] = useLocation();
  useEffect(close, [place, close]);
  return (
    <AppShell header={{ height: 52 }} navbar={{ width: 190, breakpoint: "sm", collapsed: { mobile: !opened } }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" gap="sm" wrap="nowrap">
          <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Where to go" />
          <Anchor href="#/boards" underline="never" c="inherit">
            <Title order={1} size="h4">
              Roost
            </Title>
          </Anchor>
          <Group ml="auto" gap="xs" wrap="nowrap">
            <ConnectionBadge />
            <Scheme />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label="Pages">
        <ScrollArea>
          {PLACES.map(([path, name]) => (
            <NavLink key={path} href={`#${path}`} label={name} active={place.startsWith(path)} />
          ))}
          <LoggedIn />
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main>
        <Broken place={place}>
          <Suspense fallback={<Waiting />}>
            <Switch>
              <Route path="/boards/:id?">{({ id }) => <Boards id={id} />}</Route>
              <Route path="/sessions/:id">{({ id }) => <SessionPage id={id} key={id} />}</Route>
              <Route path="/activity">{() => <Activity />}</Route>
              <Route path="/streams/:id?">{({ id }) => <Streams id={id} />}</Route>
              <Route path="/swarms/:name?">{({ name }) => <Swarms name={name} />}</Route>
              <Route path="/connection">{() => <ConnectionPage />}</Route>
              <Route path="/keys">{() => <Keys />}</Route>
              <Route path="/">{() => <Boards />}</Route>
              <Route>{() => <Nowhere />}</Route>
            </Switch>
          </Suspense>
        </Broken>
      </AppShell.Main>
      <ReturnBanner />
    </AppShell>
  );
}

/** Who is logged in, where somebody is. */
function LoggedIn(): ReactNode {
  const { state, user } = useLogin();
  if (state !== "in" || !user) return null;
  return <NavLink href="#/keys" label={user.email} description={user.role} mt="md" />;
}

function Waiting() {
  return (
    <Center mih="60vh">
      <Loader role="status" aria-label="Loading" />
    </Center>
  );
}

function Nowhere() {
  return (
    <Text>
      There is nothing here. <Anchor href="#/boards">Go to the boards</Anchor>.
    </Text>
  );
}

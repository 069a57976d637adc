using System.Globalization;
using System.Reflection;
using Xunit.Abstractions;

namespace LmKit.Mutation;

/// <summary>The side of a child process: runs tests with one change on, as its parent asks line by line.</summary>
/// <remarks>Lives in the folder of the changed build; the change is also in the environment, for processes that tests start.</remarks>
internal static class TestWorker
{
    internal const string Mark = "@mutation\t";

    internal static int Serve()
    {
        var output = Console.Out;
        var framework = new Framework(Assembly.Load("LmKit.Core.Tests"));
        var gate = new Gate();
        Answer("ready");
        while (Console.In.ReadLine() is { } line)
        {
            var words = line.Split('\t');
            if (words[0] == "cover")
            {
                framework.Run(framework.Methods, new CoverSink(gate, Answer));
                Answer("done");
            }
            else
            {
                var sink = new FailSink();
                gate.Turn(words[1]);
                framework.Run(words[2..], sink);
                gate.Turn("-1");
                Answer(sink.Failed ?? "passed");
            }
        }
        return 0;

        void Answer(string text)
        {
            output.WriteLine(Mark + text);
            output.Flush();
        }
    }

    /// <summary>The switch of the changed build.</summary>
    private sealed class Gate
    {
        private readonly FieldInfo active;
        private readonly bool[] reached;
        private readonly string children = Directory.CreateTempSubdirectory("reached").FullName;

        internal Gate()
        {
            var type = Assembly.Load("LmKit.Core").GetType("LmKit.MutantSwitch", throwOnError: true)!;
            active = type.GetField("Active")!;
            reached = (bool[])type.GetField("Reached")!.GetValue(null)!;
            Environment.SetEnvironmentVariable("LMKIT_MUTANTS_REACHED", children); // now that this process does not heed it
        }

        internal void Turn(string id)
        {
            Environment.SetEnvironmentVariable("LMKIT_MUTANT", id);
            active.SetValue(null, int.Parse(id, CultureInfo.InvariantCulture));
        }

        /// <summary>Changes that were asked for since the last time, here and in processes that have ended.</summary>
        internal HashSet<int> Take()
        {
            HashSet<int> ids = [.. Enumerable.Range(0, reached.Length).Where(id => reached[id])];
            Array.Clear(reached);
            foreach (var file in Directory.GetFiles(children))
            {
                ids.UnionWith(File.ReadAllText(file).Split(',', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture)));
                File.Delete(file);
            }
            return ids;
        }
    }

    private sealed class FailSink : IMessageSink
    {
        internal string? Failed { get; private set; }

        public bool OnMessage(IMessageSinkMessage message)
        {
            Failed ??= message switch
            {
                ITestFailed failed => $"failed\t{failed.Test.DisplayName}",
                ITestClassCleanupFailure or ITestCleanupFailure or ITestCollectionCleanupFailure => "failed\tcleaning up",
                _ => null,
            };
            return Failed is null;
        }
    }

    // What a class does between its tests, such as a fixture's work, counts for all of them.
    private sealed class CoverSink(Gate gate, Action<string> answer) : IMessageSink
    {
        private readonly Dictionary<string, (HashSet<int> Ids, double Time, bool Failed)> methods = [];
        private readonly HashSet<int> between = [];

        public bool OnMessage(IMessageSinkMessage message)
        {
            switch (message)
            {
                case ITestStarting:
                    between.UnionWith(gate.Take());
                    break;
                case ITestPassed or ITestFailed:
                    var result = (ITestResultMessage)message;
                    var name = Framework.Name(result.TestCase);
                    var entry = methods.GetValueOrDefault(name, ([], 0, false));
                    entry.Ids.UnionWith(gate.Take());
                    methods[name] = (entry.Ids, entry.Time + (double)result.ExecutionTime, entry.Failed || message is ITestFailed);
                    break;
                case ITestClassFinished:
                    between.UnionWith(gate.Take());
                    foreach (var (method, (ids, time, failed)) in methods)
                        answer(string.Create(CultureInfo.InvariantCulture, $"test\t{method}\t{time}\t{(failed ? "failed" : "passed")}\t{string.Join(',', ids.Union(between))}"));
                    methods.Clear();
                    between.Clear();
                    break;
            }
            return true;
        }
    }
}

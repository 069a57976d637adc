using Xunit.Abstractions;
using Xunit.Sdk;

namespace LmKit.Mutation;

/// <summary>Finds and runs xunit tests inside this process.</summary>
internal sealed class Framework
{
    private static readonly Options options = new();
    private readonly ILookup<string, IXunitTestCase> cases;

    /// <summary>Finds the tests of an assembly but for those of minutes.</summary>
    internal Framework(System.Reflection.Assembly assembly)
    {
        var sink = new DiscoverySink();
        new XunitTestFrameworkDiscoverer(Reflector.Wrap(assembly), new NoSources(), new NullMessageSink()).Find(false, sink, options);
        sink.Done.Wait();
        cases = sink.Cases.Where(test => !test.Traits.Any(trait => trait.Value.Contains("Long"))).ToLookup(Name);
    }

    /// <summary>Every test method, class after class.</summary>
    internal IEnumerable<string> Methods => cases.Select(group => group.Key).Order(StringComparer.Ordinal);

    internal static string Name(ITestCase test) => $"{test.TestMethod.TestClass.Class.Name}.{test.TestMethod.Method.Name}";

    /// <summary>Runs all cases of methods, one after the other.</summary>
    internal void Run(IEnumerable<string> methods, IMessageSink sink)
    {
        IXunitTestCase[] chosen = [.. methods.SelectMany(method => cases[method])];
        if (chosen.Length == 0)
            return;
        using var runner = new XunitTestAssemblyRunner(chosen[0].TestMethod.TestClass.TestCollection.TestAssembly, chosen, new NullMessageSink(), sink, options);
        Task.Run(runner.RunAsync).GetAwaiter().GetResult();
    }

    private sealed class NullMessageSink : IMessageSink
    {
        public bool OnMessage(IMessageSinkMessage message) => true;
    }

    private sealed class DiscoverySink : IMessageSink
    {
        internal List<IXunitTestCase> Cases { get; } = [];

        internal ManualResetEventSlim Done { get; } = new();

        public bool OnMessage(IMessageSinkMessage message)
        {
            if (message is ITestCaseDiscoveryMessage { TestCase: IXunitTestCase found })
                Cases.Add(found);
            if (message is IDiscoveryCompleteMessage)
                Done.Set();
            return true;
        }
    }

    private sealed class NoSources : ISourceInformationProvider
    {
        public ISourceInformation? GetSourceInformation(ITestCase testCase) => null;

        public void Dispose()
        {
        }
    }

    private sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        private readonly Dictionary<string, object?> values = new() { ["xunit.execution.DisableParallelization"] = true, ["xunit.execution.SynchronousMessageReporting"] = true };

        public TValue GetValue<TValue>(string name) => values.TryGetValue(name, out var value) ? (TValue)value! : default!;

        public void SetValue<TValue>(string name, TValue value) => values[name] = value;
    }
}

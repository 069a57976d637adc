using System.Reflection;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace LmKit.Conformance;

/// <summary>Turns the rows of a <see cref="GoldenTheoryAttribute"/> into test cases, skipped ones among them: xunit 2 cannot skip while it runs.</summary>
/// <param name="sink">Takes xunit's diagnostics.</param>
public sealed class GoldenTheoryDiscoverer(IMessageSink sink) : TheoryDiscoverer(sink)
{
    /// <inheritdoc/>
    protected override IEnumerable<IXunitTestCase> CreateTestCasesForDataRow(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo theoryAttribute, object[] dataRow)
    {
        ArgumentNullException.ThrowIfNull(testMethod);
        var rows = testMethod.Method.ToRuntimeMethod().GetCustomAttribute<GoldenRowsAttribute>();
        return rows?.ReasonToSkip(testMethod.TestClass.Class.ToRuntimeType(), dataRow) is { } reason
            ? CreateTestCasesForSkippedDataRow(discoveryOptions, testMethod, theoryAttribute, dataRow, reason)
            : base.CreateTestCasesForDataRow(discoveryOptions, testMethod, theoryAttribute, dataRow);
    }
}

package main

import (
	"context"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// meter reads an engine's telemetry.
type meter struct{ reader *sdk.ManualReader }

// read returns the metrics by name; where one has several points, their sum.
func (m *meter) read(ctx context.Context) (map[string]float64, error) {
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(ctx, &all); err != nil {
		return nil, err
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, metric := range scope.Metrics {
			values[metric.Name] = total(metric.Data)
		}
	}
	return values, nil
}

func total(of metricdata.Aggregation) (sum float64) {
	switch data := of.(type) {
	case metricdata.Gauge[int64]:
		sum = sumOf(data.DataPoints)
	case metricdata.Gauge[float64]:
		sum = sumOf(data.DataPoints)
	case metricdata.Sum[int64]:
		sum = sumOf(data.DataPoints)
	}
	return sum
}

func sumOf[N int64 | float64](points []metricdata.DataPoint[N]) (sum float64) {
	for _, p := range points {
		sum += float64(p.Value)
	}
	return sum
}
